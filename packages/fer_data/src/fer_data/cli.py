"""``fer-data``: look at the data, at its augmentation, and crop photos into a data set of one's own."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError, check_range, sentences


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fer-data stats``, ``preview`` or ``crop``."""
    options = build_parser().parse_args(argv)
    with sentences():
        options.run(options)


def build_parser() -> ArgumentParser:
    """Make the parser."""
    parser = ArgumentParser(prog="fer-data", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    stats = commands.add_parser("stats", help="count faces by split and emotion, and duplicates")
    stats.add_argument("--data", default="auto", help="file or folder with FER2013, auto, or synthetic (default: auto)")
    stats.add_argument("--json", action="store_true", help="print one JSON object")
    stats.set_defaults(run=_stats)

    preview = commands.add_parser("preview", help="draw originals beside augmented copies")
    preview.add_argument("--data", default="auto", help="as for stats")
    preview.add_argument("--augment", default="medium", help="none, flip, light, medium or strong (default: medium)")
    preview.add_argument("--seed", type=int, default=0)
    preview.add_argument("--out", type=Path, default=Path("preview.png"), help="the picture (default: preview.png)")
    preview.set_defaults(run=_preview)

    crop = commands.add_parser("crop", help="make a FER2013-like data set of a folder of photos")
    crop.add_argument("source", type=Path, metavar="IN", help="folder of photos; its sub-folders are labels")
    crop.add_argument("target", type=Path, metavar="OUT", help="folder of gray faces, and faces.csv")
    crop.add_argument("--size", type=int, default=48, help="side of a face in pixels (default: 48)")
    crop.add_argument("--align", action="store_true", help="turn each face so that its eyes are level")
    crop.set_defaults(run=_crop)
    return parser


def _stats(options: Namespace) -> None:
    from fer_data.fer2013 import stats

    found = stats(options.data)
    print(json.dumps(found) if options.json else _as_text(found))


def _as_text(found: dict[str, Any]) -> str:
    lines = [f"{found['source']}: {found['n']:,} faces", ""]
    lines.append(f"{'':12}" + "".join(f"{emotion:>10}" for emotion in EMOTIONS) + f"{'all':>10}")
    for usage, counts in found["counts"].items():
        numbers = [*(counts[emotion] for emotion in EMOTIONS), sum(counts[emotion] for emotion in EMOTIONS)]
        lines.append(f"{usage:12}" + "".join(f"{n:10,}" for n in numbers))
    lines += ["", *_facts(found), *(f"note: {note}" for note in found["notes"])]
    return "\n".join(lines)


def _facts(found: dict[str, Any]) -> Iterator[str]:
    pairs = {key: value for key, value in found["duplicates"].items() if key != "copies"}
    yield f"exact copies of another face: {found['duplicates']['copies']:,}; pairs of the same pixels:"
    for where, count in pairs.items():
        yield f"  {where:24} {count['pairs']:6,}, with different labels {count['different_labels']:,}"
    yield f"test_dedup, PrivateTest without faces of the other splits: {found['test_dedup_n']:,}"
    for usage, other in (found["ferplus_disagrees"] or {}).items():
        yield f"FER+ has a majority for {other['n']:,} faces of {usage}; {other['share']:.1%} bear another label here"
    yield f"Training pixels: mean {found['mean']:.4f}, standard deviation {found['std']:.4f}, of 1"
    yield f"rows of fer2013.csv: {'known' if found['rows_known'] else 'not known, so FER+ cannot be joined'}"
    yield f"fingerprint: {found['fingerprint']}"


def _preview(options: Namespace) -> None:
    from PIL import Image

    from fer_data.augment import Augment, strength
    from fer_data.fer2013 import load
    from fer_data.preview import sheet

    check_range("--seed", options.seed, 0)
    picture = sheet(load(options.data), Augment(strength(options.augment)), seed=options.seed)
    try:
        Image.fromarray(picture).save(options.out)
    except (OSError, ValueError) as error:
        raise UserError(
            f"could not write {options.out} ({error}); give a name in a folder that is there, as .png"
        ) from error
    print(f"{options.out}: first column originals, the others {options.augment} augmentation")


def _crop(options: Namespace) -> None:
    from fer_data.crop_folder import crop_folder

    done = crop_folder(options.source, options.target, size=options.size, align=options.align)
    print(
        f"{options.target}: {done.faces} faces from {done.photos} photos ({done.resumed} of them by earlier runs); "
        f"{done.without_face} without a face, {done.unreadable} unreadable: see faces.csv"
    )
