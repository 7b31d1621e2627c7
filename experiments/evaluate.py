"""Judge a classifier: ``python experiments/evaluate.py --checkpoint cnn --data auto --split test``.

Several ``--checkpoint`` are judged together, as an ensemble: their probabilities are averaged. Writes metrics.json,
predictions.csv, figures and one report.html that holds them all.
"""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from fer_data.errors import sentences


def main(argv: Sequence[str] | None = None) -> None:
    """Judge as the command line says."""
    options = build_parser().parse_args(argv)
    with sentences():
        evaluate_checkpoint(options)


def build_parser() -> ArgumentParser:
    """Make the parser."""
    parser = ArgumentParser(prog="evaluate.py", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--checkpoint", required=True, action="append", dest="checkpoints", metavar="CHECKPOINT",
        help="name in checkpoints/, a checkpoint folder, or a run's .ckpt; give several for an ensemble",
    )  # fmt: skip
    parser.add_argument("--data", default="auto", help="as for train.py (default: %(default)s)")
    parser.add_argument(
        "--split", choices=["val", "test"], default="test",
        help="val is PublicTest, which selects; test is PrivateTest, which is reported (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--tta", choices=["none", "flip", "ten-crop"], default="none",
        help="average each face with its mirror image, or over ten crops (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--device", default="cpu", help="e.g. cpu or cuda (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the metrics as one JSON object, and nothing else")
    parser.add_argument("--out", type=Path, help="folder for the report (default: reports/CHECKPOINT-SPLIT)")
    return parser


def evaluate_checkpoint(options: Namespace) -> None:
    """Judge, write the report, print the figures."""
    from fer_data.fer2013 import load
    from fer_models import hub
    from fer_models.evaluation import evaluate
    from fer_models.report import write_report

    checkpoints = [hub.load_any(name) for name in options.checkpoints]
    table = load(options.data)
    metrics, probabilities, chosen = evaluate(checkpoints, table, options.split, options.tta, options.device)
    members = [checkpoint.name for checkpoint in checkpoints]
    metrics = {"checkpoint": "+".join(members), "members": members, **metrics}
    looks = "" if options.tta == "none" else f"-{options.tta}"
    out = options.out or Path("reports") / f"{metrics['checkpoint']}-{options.split}{looks}"
    page = write_report(out, metrics, probabilities, table.images[chosen], table.labels[chosen], chosen)
    if options.json:
        print(json.dumps(metrics))
        return
    for note in table.notes:
        print(f"note: {note}", file=sys.stderr)
    print(summary(metrics))
    print(f"report: {os.path.relpath(page)}")


def summary(metrics: dict[str, object]) -> str:
    """Give the main figures as lines."""
    looks = "" if metrics["tta"] == "none" else f", {metrics['tta']}"
    lines = [f"{metrics['checkpoint']} on {metrics['usage']}{looks}:"]
    sets = {"all": metrics, "test_dedup": metrics["test_dedup"]}
    for name, part in sets.items():
        if isinstance(part, dict):
            (low, high), (f_low, f_high) = part["accuracy_ci"], part["f1_macro_ci"]
            lines.append(
                f"  {name:10}  n {part['n']}  accuracy {part['accuracy']:.4f} ({low:.4f}-{high:.4f})  "
                f"macro-F1 {part['f1_macro']:.4f} ({f_low:.4f}-{f_high:.4f})  "
                f"balanced {part['balanced_accuracy']:.4f}  ECE {part['ece']:.4f}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
