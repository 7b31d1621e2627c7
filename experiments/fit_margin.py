"""Fit the margin of ``fer_data.faces.crop``: ``python experiments/fit_margin.py --checkpoint cnn --data auto``.

PublicTest faces are set into larger scenes, bare and continued (see ``fer_data.scenes``), found again by MTCNN, cropped
with each margin, as they are and turned upright, and classified. The best margin is the one whose crops are classified
best; the loss against the direct pictures is what detection and cropping cost a user.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fer_data.errors import sentences
from fer_data.faces import FaceDetector, crop
from fer_data.fer2013 import load
from fer_data.scenes import SIDES, SIZE, TILT
from fer_data.table import FaceTable
from fer_models import hub
from fer_models.predict import EmotionPredictor
from scenes import choose, show

MARGINS = np.linspace(-0.2, 0.2, 9).round(2) + 0.0  # without a negative zero


def main(argv: Sequence[str] | None = None) -> None:
    """Fit as the command line says, print the table, and write it where ``--out`` says."""
    parser = ArgumentParser(prog="fit_margin.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--checkpoint", default="cnn", help="as for evaluate.py (default: cnn)")
    parser.add_argument("--data", default="auto", help="as for train.py (default: auto)")
    parser.add_argument("--faces", type=int, default=750, help="how many PublicTest faces, twice each (default: 750)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a CSV file for the table")
    options = parser.parse_args(argv)
    with sentences():
        predictor = EmotionPredictor(hub.load_any(options.checkpoint), FaceDetector())
        share, table = fit(predictor, load(options.data), options.faces, options.seed)
        print(
            f"{share:.1%} found in scenes of {SIZE[0]}x{SIZE[1]}, faces of {SIDES[0]} to {SIDES[1]} pixels, tilted by "
            f"up to {TILT:g} degrees"
        )
        print(table.to_string(index=False))
        if options.out:
            table.to_csv(options.out, index=False)


def fit(predictor: EmotionPredictor, table: FaceTable, count: int, seed: int) -> tuple[float, pd.DataFrame]:
    """Measure each margin, as it is and turned upright.

    Returns:
        The share of faces that were found; and for each margin, on the found ones: accuracy of the crops and of the
        direct pictures, the points lost between them, and how often both get the same answer.
    """
    chosen = choose(table, "PublicTest", count, seed)
    shown = list(show(predictor.detector, table, chosen, ("bare", "continued"), seed))
    found = [(each.scene, each.found, each.index) for each in shown if each.found is not None]
    labels = [index for *_, index in found]
    truth = table.labels[labels]
    direct = predictor.classify(list(table.images[labels])).argmax(1)
    rows = []
    for align in (False, True):
        for margin in MARGINS:
            crops = [crop(scene, face, margin=float(margin), align=align) for scene, face, _ in found]
            answer = predictor.classify(crops).argmax(1)
            accuracy, reference = float((answer == truth).mean()), float((direct == truth).mean())
            same = float((answer == direct).mean())
            rows.append((margin, align, accuracy, reference, 100 * (reference - accuracy), same))
    columns = ["margin", "align", "accuracy", "direct", "points_lost", "same_answer"]
    return len(found) / len(shown), pd.DataFrame(rows, columns=columns).round(4)


if __name__ == "__main__":
    main()
