"""From scene to emotion: ``python experiments/scenes.py --model cnn --data auto --n 1000``.

PrivateTest faces are set into scenes of 640x480 at random places, sizes, tilts and lights, found by MTCNN, cropped and
classified as a user's photo is. Tells the share that is found, and the accuracy on the found ones beside that of the
same faces given directly; why faces are not found; and what light, tilt and the found box cost.
"""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, radians, sin
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from fer_data.emotions import EMOTIONS
from fer_data.errors import check_range, sentences
from fer_data.faces import Face, FaceDetector, crop, overlap
from fer_data.fer2013 import load
from fer_data.files import write_atomically
from fer_data.scenes import (
    SIZE,
    SURROUNDS,
    Setting,
    Surround,
    best_match,
    make_scene,
    random_background,
    random_setting,
)
from fer_data.table import USAGES, FaceTable
from fer_models import hub
from fer_models.drawing import png
from fer_models.metrics.classification import share_interval
from fer_models.predict import EmotionPredictor

Image = NDArray[np.uint8]

SIDES, TILTS = (60, 100, 150, 200, 301), (0, 5, 10, 15, 21)
"""Where the groups of the tables begin and end, in pixels and degrees."""

WAYS = ("known_upright", "known", "answer")
"""Ways of cropping: at the known place and turned upright; at the known place as it is; where MTCNN found it."""


@dataclass(frozen=True)
class Shown:
    """A face in a scene.

    Attributes:
        index: The face's row in the table.
        surround: What is around it.
        setting: Where and how it is shown.
        scene: uint8 (480, 640, 3), RGB.
        found: What MTCNN found of it; None for nothing.
        others: How many other boxes MTCNN gave.
        alone: Whether MTCNN finds a face in the 48x48 picture alone.
    """

    index: int
    surround: Surround
    setting: Setting
    scene: Image
    found: Face | None
    others: int
    alone: bool


def main(argv: Sequence[str] | None = None) -> None:
    """Measure as the command line says, print tables in Markdown, write the rest where ``--out`` says."""
    parser = ArgumentParser(prog="scenes.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", default="cnn", help="as for fer-models predict (default: cnn)")
    parser.add_argument("--data", default="auto", help="as for train.py (default: auto)")
    parser.add_argument("--split", choices=["PublicTest", "PrivateTest"], default="PrivateTest")
    parser.add_argument("--n", type=int, default=1000, help="how many faces, drawn at random (default: 1000)")
    parser.add_argument("--surround", nargs="+", choices=list(SURROUNDS), default=["bare", "continued"],
                        help="what is around the faces, one scene for each (default: bare continued)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("reports/scenes"), help="folder (default: reports/scenes)")
    options = parser.parse_args(argv)
    with sentences():
        check_range("--n", options.n, 1)
        torch.set_num_threads(1)
        predictor = EmotionPredictor(hub.load_any(options.model), FaceDetector())
        table = load(options.data)
        chosen = choose(table, options.split, options.n, options.seed)
        shown = show(predictor.detector, table, chosen, options.surround, options.seed, photographs())
        rows, sheet = measure(predictor, table, shown)
        options.out.mkdir(parents=True, exist_ok=True)
        rows.to_csv(options.out / "scenes.csv", index=False)
        write_atomically(options.out / "scenes.png", png(sheet))
        print(report(rows))


def photographs() -> list[Image]:
    """Give photographs without faces, which come with scikit-image and are in the public domain (CC0 or NASA's)."""
    from skimage import data

    names = "coffee", "rocket", "hubble_deep_field", "brick", "grass", "gravel"
    return [np.asarray(getattr(data, name)(), np.uint8) for name in names]


def choose(table: FaceTable, usage: str, count: int, seed: int) -> NDArray[np.intp]:
    """Draw faces of a split, by their rows in the table; the first of more faces are those of fewer."""
    return np.random.default_rng(seed).permutation(np.flatnonzero(table.usage == USAGES.index(usage)))[:count]


def show(
    detector: FaceDetector,
    table: FaceTable,
    chosen: NDArray[np.intp],
    surrounds: Sequence[Surround],
    seed: int,
    photos: Sequence[Image] = (),
) -> Iterator[Shown]:
    """Set each face into one scene for each surrounding, alike in all else, and search it."""
    rng = np.random.default_rng(seed)
    for index in track(chosen, "scenes", console=Console(stderr=True), transient=True):
        setting, background = random_setting(rng), random_background(rng, photos)
        alone = bool(detector.detect([table.images[index]])[0])
        for surround in surrounds:
            scene = make_scene(table.images[index], setting, background, surround)
            faces = detector.detect([scene])[0]
            found = best_match(faces, setting.box)
            others = len(faces) - (found is not None)
            yield Shown(int(index), surround, setting, scene, found, others, alone)


def measure(predictor: EmotionPredictor, table: FaceTable, shown: Iterator[Shown]) -> tuple[pd.DataFrame, Image]:
    """Classify each scene's face in each of ``WAYS``, and the face itself.

    Returns:
        A row a scene: what was shown, ``found`` and its ``iou``, and whether the answers ``direct`` and of each way are
        right (0 for a face that was not found); and a picture of the first scenes.
    """
    rows: list[dict[str, Any]] = []
    small: list[Image] = []
    for each in shown:
        truth, setting = int(table.labels[each.index]), each.setting
        crops = [table.images[each.index], *_known(each), *([crop(each.scene, each.found)] if each.found else [])]
        right = (predictor.classify(crops).argmax(1) == truth).astype(int).tolist()
        rows.append({
            "face": each.index, "surround": each.surround, "emotion": EMOTIONS[truth],
            "side": setting.side, "tilt": round(setting.tilt, 2), "light": round(float(np.mean(setting.light)), 3),
            "gray": setting.gray, "found": int(each.found is not None),
            "iou": round(overlap(each.found.box, setting.box), 3) if each.found else None, "others": each.others,
            "alone": int(each.alone),
            **dict(zip(("direct", *WAYS), [*right, 0], strict=False)),
        })  # fmt: skip
        if len(small) < 48:
            small.append(_small(each))
    return pd.DataFrame(rows), _sheet(small)


def report(rows: pd.DataFrame) -> str:
    """Write tables in Markdown, for each surrounding: by size, tilt, colours and emotion; which step costs what."""
    parts = []
    for surround, group in rows.groupby("surround", sort=False):
        side = pd.cut(group["side"], SIDES, right=False)
        tilt = pd.cut(group["tilt"].abs(), TILTS, right=False)
        named = {
            "all": group,
            **{f"{a} to {b - 1} pixels": group[side == pd.Interval(a, b, "left")] for a, b in pairwise(SIDES)},
            **{f"tilt {a} to {min(b, 20)}°": group[tilt == pd.Interval(a, b, "left")] for a, b in pairwise(TILTS)},
            **{name: group[group["gray"] == gray] for name, gray in (("gray", True), ("colour", False))},
            **{emotion: group[group["emotion"] == emotion] for emotion in EMOTIONS},
        }
        lines = [_line(name, part) for name, part in named.items() if len(part)]
        head = "| faces | n | found | direct, of the found | as found | points lost |\n|---|---|---|---|---|---|"
        parts.append(f"## {surround}: {SURROUNDS[surround]}\n\n{head}\n" + "\n".join(lines))
        parts.append(_steps(group))
    return "\n\n".join(parts)


def _line(name: str, part: pd.DataFrame) -> str:
    found = part[part["found"] == 1]
    share, direct, answer = (_share(column) for column in (part["found"], found["direct"], found["answer"]))
    return f"| {name} | {len(part)} | {share} | {direct} | {answer} | {_lost(found['direct'] - found['answer'])} |"


def _share(column: "pd.Series[int]") -> str:
    interval = share_interval(int(column.sum()), len(column))
    return "none" if interval is None else f"{column.mean():.1%} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def _lost(difference: "pd.Series[int]") -> str:
    """Give the mean of a difference between two answers to the same faces, in points, with its 95% interval."""
    mean, reach = 100 * difference.mean(), 196 * difference.std() / max(1, len(difference)) ** 0.5
    return f"{mean:.1f} ({mean - reach:.1f} to {mean + reach:.1f})"


def _steps(group: pd.DataFrame) -> str:
    """Tell why faces are not found, and on the found ones what each way of cropping loses."""
    found, alone = group[group["found"] == 1], group["alone"] == 1
    ways = {
        "at the known place, turned upright by the known tilt": "known_upright",
        "at the known place, as it leans": "known",
        "where MTCNN found it, turned upright by MTCNN's eyes": "answer",
    }
    lines = [f"| {name} | {_share(found[way])} | {_lost(found['direct'] - found[way])} |" for name, way in ways.items()]
    return (
        f"MTCNN finds {_share(group['alone'])} of these faces in their own 48x48 pictures; of those it finds "
        f"{_share(group['found'][alone])} in the scene, of the others {_share(group['found'][~alone])}. Boxes "
        f"elsewhere in the scene: {group['others'].sum()} in {len(group)}.\n\n"
        "| cropped, of the found | accuracy | points lost against the direct pictures |\n|---|---|---|\n"
    ) + "\n".join(lines)


def _known(each: Shown) -> tuple[Image, Image]:
    """Crop a face at its known place: turned upright, and as it is."""
    angle = radians(each.setting.tilt)
    eyes = ((0.0, 0.0), (cos(angle), sin(angle)))
    face = Face(each.setting.box, 1.0, eyes)
    return crop(each.scene, face, margin=0), crop(each.scene, face, margin=0, align=False)


def _small(each: Shown) -> Image:
    """Draw the known square, turned, in white, and the found box in green; half the size."""
    picture = each.scene.copy()
    corners = cv2.boxPoints((each.setting.centre, (each.setting.side, each.setting.side), each.setting.tilt))
    cv2.polylines(picture, [corners.round().astype(np.int32)], True, (255, 255, 255), 2)
    if each.found:
        x1, y1, x2, y2 = map(round, each.found.box)
        cv2.rectangle(picture, (x1, y1), (x2, y2), (0, 255, 0), 3)
    return np.asarray(cv2.resize(picture, (SIZE[0] // 3, SIZE[1] // 3), interpolation=cv2.INTER_AREA), np.uint8)


def _sheet(pictures: Sequence[Image], columns: int = 6) -> Image:
    blank = np.full_like(pictures[0], 255)
    filled = [*pictures, *[blank] * (-len(pictures) % columns)]
    return np.vstack([np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)])


if __name__ == "__main__":
    main()
