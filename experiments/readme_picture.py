"""Draw the picture of the README: ``python experiments/readme_picture.py docs/pictures/overview.png``.

Left, scikit-image's astronaut (NASA, in the public domain) as ``fer-models predict --save`` marks her; right, one drawn
person in the seven expressions that ``--data synthetic`` trains on.
"""

import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from skimage import data

from fer_data.emotions import COLOURS, EMOTIONS
from fer_data.images import decode
from fer_data.synthetic import draw_face
from fer_models.drawing import annotate
from fer_models.predict import load

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def main(target: Path) -> None:
    """Draw and save."""
    photo = np.asarray(data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    marked = decode(annotate(photo, load("cnn")(photo)))
    figure = plt.figure(figsize=(12, 4), layout="constrained")
    parts: Any = figure.subfigures(1, 2, width_ratios=[1, 2])
    left, right = parts
    axis = left.subplots()
    axis.imshow(marked)
    axis.axis("off")
    for axis, (label, emotion) in zip(right.subplots(2, 4).flat, enumerate(EMOTIONS), strict=False):
        axis.imshow(draw_face(label, np.random.default_rng(4), 192), cmap="gray", vmin=0, vmax=255)
        axis.set_title(emotion, color=COLOURS[emotion], fontweight="bold")
    for axis in right.axes:
        axis.axis("off")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
