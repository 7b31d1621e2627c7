"""``fer-models``: use models from the command line."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from fer_data.errors import ImageError, UserError, sentences
from fer_models.generate_cli import add_options


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fer-models predict``, ``generate`` or ``list``."""
    options = build_parser().parse_args(argv)
    with sentences():
        sys.exit(options.run(options))


def build_parser() -> ArgumentParser:
    """Make the parser."""
    parser = ArgumentParser(prog="fer-models", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    predict = commands.add_parser("predict", help="find the faces of photos and name their emotions")
    predict.add_argument("photos", nargs="+", metavar="PHOTO")
    predict.add_argument("--model", default="cnn", help="name in checkpoints/, or a checkpoint folder (default: cnn)")
    predict.add_argument("--json", action="store_true", help="print one JSON object a photo, one a line")
    predict.add_argument("--save", type=Path, metavar="DIR", help="write copies with boxes and emotions drawn here")
    predict.add_argument("--device", default="cpu", help="e.g. cpu or cuda (default: cpu)")
    predict.set_defaults(run=_predict)

    add_options(commands.add_parser("generate", help="make faces with a chosen emotion, or from a given face"))

    listing = commands.add_parser("list", help="list the checkpoints that are there")
    listing.set_defaults(run=_list)
    return parser


def _predict(options: Namespace) -> int:
    """Predict each photo; one that can't be read doesn't stop the others, but makes the exit status 1."""
    from fer_models.predict import load

    predictor = load(options.model, device=options.device)
    if options.save is not None:
        _make_folder(options.save)
    names = _copy_names(options.photos)
    if options.save is not None:
        _protect(options.photos, {options.save / name for name in names.values()})
    failed = False
    for photo in options.photos:
        row: dict[str, Any] = {"file": photo, "faces": [], "error": None}
        try:
            row["faces"] = _predict_one(predictor, photo, options.save and options.save / names[photo])
        except ImageError as error:
            row["error"], failed = str(error), True
        if options.json:
            print(json.dumps(row, ensure_ascii=False), flush=True)
        else:
            print(_as_text(row), file=sys.stderr if row["error"] else sys.stdout, flush=True)
    return int(failed)


def _predict_one(predictor: Any, photo: str, copy: Path | None) -> list[dict[str, Any]]:
    from fer_data.files import write_atomically
    from fer_data.images import decode
    from fer_models.drawing import annotate

    image = decode(photo)
    predictions = predictor(image)
    if copy is not None:
        write_atomically(copy, annotate(image, predictions))
    return [prediction.to_dict() for prediction in predictions]


def _as_text(row: dict[str, Any]) -> str:
    if row["error"]:
        return str(row["error"])
    if not row["faces"]:
        return f"{row['file']}: no face found"
    lines = [f"{row['file']}: {len(row['faces'])} face{'s' * (len(row['faces']) > 1)}"]
    for face in row["faces"]:
        ranked = sorted(face["probabilities"].items(), key=lambda pair: -pair[1])
        shares = ", ".join(f"{emotion} {p:.2f}" for emotion, p in ranked[:3])
        x1, y1, x2, y2 = (round(x) for x in face["box"])
        lines.append(f"  {face['emotion']:9} at ({x1}, {y1})-({x2}, {y2}), found with {face['score']:.2f}: {shares}")
    return "\n".join(lines)


def _copy_names(photos: Sequence[str]) -> dict[str, str]:
    """Name the annotated copies; photos of the same name in different folders get different ones."""
    names: dict[str, str] = {}
    for photo in dict.fromkeys(photos):
        stem = f"{Path(photo).stem}-faces"
        free = (name for k in count(1) if (name := f"{stem}{'' if k == 1 else f'-{k}'}.png") not in names.values())
        names[photo] = next(free)
    return names


def _protect(photos: Sequence[str], copies: set[Path]) -> None:
    inputs = {Path(photo).resolve() for photo in photos}
    for copy in copies:
        if copy.resolve() in inputs:
            raise UserError(f"--save would write its copy over the photo {copy}: choose another folder")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--save {folder}: can't make this folder ({error.strerror})") from error


def _list(options: Namespace) -> int:
    from fer_models import hub

    for name in hub.available():
        try:
            metrics = hub.load(name).config.get("metrics", {}).get("test", {})
            state = f"PrivateTest accuracy {metrics['accuracy']:.3f}" if metrics else "not judged"
        except hub.CheckpointError as error:
            state = str(error)
        print(f"{name:20} {state}")
    return 0
