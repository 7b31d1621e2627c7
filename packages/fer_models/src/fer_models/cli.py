"""``fer-models``: use models from the command line."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_data.errors import sentences
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

    predict = commands.add_parser("predict", help="find the faces of photos and films and name their emotions")
    predict.add_argument("inputs", nargs="+", metavar="INPUT", help="photo, film, folder, pattern (*.jpg), or camera:0")
    predict.add_argument(
        "--model", default="cnn", help="name in checkpoints/, a folder, or hf://OWNER/NAME (default: cnn)"
    )
    predict.add_argument("--json", action="store_true", help="print one JSON object a photo or frame, one a line")
    predict.add_argument("--csv", type=Path, metavar="FILE", help="write a table with a row a face and frame")
    predict.add_argument("--resume", action="store_true", help="go on with the table: skip the files that are in it")
    predict.add_argument("--save", type=Path, metavar="DIR", help="write copies with boxes and emotions drawn here")
    predict.add_argument("--uncertain", action="store_true",
                         help="answer 'uncertain' where fewer than 9 in 10 answers would be right")  # fmt: skip
    predict.add_argument(
        "--batch-size", type=int, default=16, metavar="N", help="faces classified at once (default: 16)"
    )
    predict.add_argument("--device", default="cpu", help="e.g. cpu or cuda (default: cpu)")
    predict.add_argument("--backend", default="auto", metavar="NAME",
                         help="torch, onnx, onnx-int8, or auto: onnx on a CPU where the checkpoint has it "
                              "(default: auto)")  # fmt: skip
    films = predict.add_argument_group("films and cameras")
    films.add_argument("--every", type=int, default=1, metavar="N", help="use each Nth frame (default: 1)")
    films.add_argument("--smooth", type=float, default=0.3, metavar="SECONDS",
                       help="time constant of the smoothing of probabilities; 0 for none (default: 0.3)")  # fmt: skip
    films.add_argument("--detect-every", type=int, default=10, metavar="N",
                       help="search faces in each Nth frame, follow them in the others; twice as often while"
                            " there is no face (default: 10)")  # fmt: skip
    films.add_argument("--side", type=int, default=480, metavar="PIXELS",
                       help="frames are shrunk to this for the search (default: 480)")  # fmt: skip
    predict.set_defaults(run=_predict)

    add_options(commands.add_parser("generate", help="make faces with a chosen emotion, or from a given face"))

    listing = commands.add_parser("list", help="list the checkpoints that are there")
    listing.set_defaults(run=_list)
    return parser


def _predict(options: Namespace) -> int:
    from fer_models.predict_cli import run

    return run(options)


def _list(options: Namespace) -> int:
    from fer_models import hub

    for name in hub.available():
        try:
            state = _figure(hub.load(name).config)
        except hub.CheckpointError as error:
            state = str(error)
        print(f"{name:20} {state}")
    return 0


def _figure(config: dict[str, Any]) -> str:
    metrics = config.get("metrics", {}).get("test")
    if not metrics:
        return "not judged"
    if "accuracy" in metrics:
        return f"{config['model']}, PrivateTest accuracy {metrics['accuracy']:.3f}"
    return f"{config['model']}, FD-FER to PrivateTest {metrics['sets']['generated']['fd_fer']:.3f}"


if __name__ == "__main__":
    main()
