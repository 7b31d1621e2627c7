"""Fit the margin of ``fer_data.faces.crop``: ``python experiments/fit_margin.py --checkpoint cnn --data auto``.

PublicTest faces are enlarged, set into larger scenes, found again by MTCNN, cropped with each margin, and classified.
The best margin is the one whose crops are classified best; the loss against the direct pictures is what detection and
cropping cost a user.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from fer_data.errors import sentences
from fer_data.faces import Face, FaceDetector, crop
from fer_data.fer2013 import load
from fer_data.table import USAGES, FaceTable
from fer_models import hub
from fer_models.predict import EmotionPredictor

SCENE = (480, 640)
MARGINS = np.linspace(-0.2, 0.3, 11).round(2) + 0.0  # without a negative zero

Image = NDArray[np.uint8]


def main(argv: Sequence[str] | None = None) -> None:
    """Fit as the command line says, print the table, and write it where ``--out`` says."""
    parser = ArgumentParser(prog="fit_margin.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--checkpoint", default="cnn", help="as for evaluate.py (default: cnn)")
    parser.add_argument("--data", default="auto", help="as for train.py (default: auto)")
    parser.add_argument("--faces", type=int, default=1000, help="how many PublicTest faces (default: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a CSV file for the table")
    options = parser.parse_args(argv)
    with sentences():
        predictor = EmotionPredictor(hub.load_any(options.checkpoint), FaceDetector())
        found, table = fit(predictor, load(options.data), options.faces, options.seed)
        print(
            f"{found:.1%} of {options.faces} faces found in scenes of {SCENE[1]}x{SCENE[0]}, faces of 60 to 300 pixels"
        )
        print(table.to_string(index=False))
        if options.out:
            table.to_csv(options.out, index=False)


def fit(predictor: EmotionPredictor, table: FaceTable, count: int, seed: int) -> tuple[float, pd.DataFrame]:
    """Measure each margin.

    Returns:
        The share of faces that were found; and for each margin, on the found ones: accuracy of the crops and of the
        direct pictures, the points lost between them, and how often both get the same answer.
    """
    rng = np.random.default_rng(seed)
    candidates = np.flatnonzero(table.usage == USAGES.index("PublicTest"))
    chosen = rng.choice(candidates, min(count, len(candidates)), replace=False)
    scenes, faces, labels = [], [], []
    for i in track(chosen, "scenes", transient=True):
        scene, box = make_scene(table.images[i], rng)
        face = best_match(predictor.detector.detect([scene])[0], box)
        if face is not None:
            scenes.append(scene)
            faces.append(face)
            labels.append(i)
    truth = table.labels[labels]
    direct = predictor.classify(list(table.images[labels])).argmax(1)
    rows = []
    for margin in MARGINS:
        crops = [crop(scene, face, margin=float(margin)) for scene, face in zip(scenes, faces, strict=True)]
        answer = predictor.classify(crops).argmax(1)
        accuracy, reference = float((answer == truth).mean()), float((direct == truth).mean())
        rows.append((margin, accuracy, reference, 100 * (reference - accuracy), float((answer == direct).mean())))
    columns = ["margin", "accuracy", "direct", "points_lost", "same_answer"]
    return len(labels) / len(chosen), pd.DataFrame(rows, columns=columns).round(4)


def make_scene(face: Image, rng: np.random.Generator) -> tuple[Image, NDArray[np.float64]]:
    """Set a face, 60 to 300 pixels, at a random place into a cloudy background of random brightness.

    Returns:
        uint8 (480, 640), and where the face's picture lies: x1, y1, x2, y2.
    """
    height, width = SCENE
    side = int(rng.integers(60, 301))
    y, x = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    clouds = rng.integers(40, 216, (5, 7)).astype(np.uint8)
    scene = np.asarray(cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    scene[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    return scene, np.array([x, y, x + side, y + side], float)


def best_match(faces: Sequence[Face], box: NDArray[np.float64]) -> Face | None:
    """Give the found face that overlaps a box most, if by half (intersection over union)."""

    def overlap(face: Face) -> float:
        found = np.array(face.box)
        low, high = np.maximum(found[:2], box[:2]), np.minimum(found[2:], box[2:])
        shared = float((high - low).clip(0).prod())
        return shared / (float((found[2:] - found[:2]).prod()) + float((box[2:] - box[:2]).prod()) - shared)

    best = max(faces, key=overlap, default=None)
    return best if best is not None and overlap(best) >= 0.5 else None


if __name__ == "__main__":
    main()
