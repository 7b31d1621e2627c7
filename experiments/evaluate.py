"""Judge a classifier or a generator: ``python experiments/evaluate.py --checkpoint cnn --data auto --split test``.

Several classifiers are judged together, as an ensemble: their probabilities are averaged; and each alone, for the mean
and standard deviation of runs that differ by their seed. Writes metrics.json, tables, figures and one report.html that
holds them all.
"""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_data.errors import UserError, sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from fer_data.table import FaceTable
    from fer_models.hub import Checkpoint


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
    parser.add_argument(
        "--cas", action="store_true",
        help="of a generator: also train a small classifier on its faces and test it on real ones (minutes)",
    )  # fmt: skip
    parser.add_argument("--device", default="cpu", help="e.g. cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--backend", default="torch", help="torch, onnx, or of a classifier onnx-int8 (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the metrics as one JSON object, and nothing else")
    parser.add_argument("--out", type=Path, help="folder for the report (default: reports/CHECKPOINT-SPLIT)")
    return parser


def evaluate_checkpoint(options: Namespace) -> None:
    """Judge, write the report, print the figures."""
    from fer_data.fer2013 import load
    from fer_models import hub
    from fer_models.networks.base import Generator

    checkpoints = [hub.load_any(name) for name in options.checkpoints]
    table = load(options.data)
    if isinstance(checkpoints[0].network, Generator):
        metrics, page = evaluate_generator(checkpoints, table, options)
        text = generator_summary(metrics)
    else:
        metrics, page = evaluate_classifiers(checkpoints, table, options)
        text = summary(metrics)
    if options.json:
        print(json.dumps(metrics))
        return
    for note in table.notes:
        print(f"note: {note}", file=sys.stderr)
    print(text)
    print(f"report: {os.path.relpath(page)}")


def evaluate_classifiers(
    checkpoints: "Sequence[Checkpoint]", table: "FaceTable", options: Namespace
) -> tuple[dict[str, Any], Path]:
    """Judge one classifier, or several together, and write the report."""
    from fer_models.judging.evaluation import evaluate
    from fer_models.judging.report import write_report
    from fer_models.judging.taggers import judge_by_taggers

    if options.cas:
        raise UserError("--cas is for generators: a classifier makes no faces to learn from")
    votes = votes_of_taggers(table, options.data)
    metrics, probabilities, chosen = evaluate(
        checkpoints, table, options.split, options.tta, options.device, options.backend
    )
    members = [checkpoint.name for checkpoint in checkpoints]
    told = served_calibration(checkpoints, options.tta, probabilities, table.labels[chosen])
    metrics = {"checkpoint": "+".join(members), "members": members, **metrics, "calibration": told}
    seen = None if votes is None else judge_by_taggers(probabilities, table.labels[chosen], votes[chosen])
    metrics["taggers"] = seen
    looks = "" if options.tta == "none" else f"-{options.tta}"
    out = options.out or Path("reports") / f"{metrics['checkpoint']}-{options.split}{looks}"
    page = write_report(out, metrics, probabilities, table.images[chosen], table.labels[chosen], chosen)
    return metrics, page


def served_calibration(
    checkpoints: "Sequence[Checkpoint]", tta: str, probabilities: "Tensor", labels: "NDArray[np.uint8]"
) -> dict[str, Any] | None:
    """Judge a published classifier's temperature and threshold; they are for one network and one look at a face."""
    import torch

    from fer_models.judging.calibration import judge_calibration

    fitted = checkpoints[0].config.get("calibration")
    if fitted is None or len(checkpoints) > 1 or tta != "none":
        return None
    chosen = {key: fitted[key] for key in ("temperature", "uncertain_below", "target_accuracy", "fitted_on")}
    return {**chosen, **judge_calibration(probabilities, torch.from_numpy(labels).long(), fitted)}


def votes_of_taggers(table: "FaceTable", data: str) -> "NDArray[np.uint8] | None":
    """Give FER+'s votes, (N, 10), where they lie beside the data and the labels aren't theirs already."""
    from fer_data.emotions import EMOTIONS
    from fer_data.fer2013 import votes_beside, with_votes

    if table.classes != EMOTIONS or table.rows is None or votes_beside(data) is None:
        return None
    return with_votes(table, data).votes


def evaluate_generator(
    checkpoints: "Sequence[Checkpoint]", table: "FaceTable", options: Namespace
) -> tuple[dict[str, Any], Path]:
    """Judge one generator, and write the report."""
    from fer_models.generate import FaceGenerator
    from fer_models.judging.generation_report import judge_generator

    if len(checkpoints) > 1 or options.tta != "none":
        raise UserError("a generator is judged alone and as it is: give one --checkpoint, and no --tta")
    generator = FaceGenerator(checkpoints[0], options.device, options.backend)
    return judge_generator(
        checkpoints[0].name, generator.sample, table, options.split,
        options.out or Path("reports") / f"{checkpoints[0].name}-{options.split}",
        conditional=generator.conditional, interpolate=generator.interpolate, cas=options.cas, device=options.device,
    )  # fmt: skip


def generator_summary(metrics: dict[str, Any]) -> str:
    """Give a generator's main figures as lines."""
    lines = [f"{metrics['generator']} against {metrics['usage']}, and real faces in its place:"]
    for name, part in metrics["sets"].items():
        shares = "  ".join(f"{key} {part[key]:.3f}" for key in ("precision", "recall", "density", "coverage"))
        lines.append(f"  {name:10}  n {part['n']}  FD-FER {part['fd_fer']:.3f}  {shares}")
    if metrics["obedience"]:
        asked, real = metrics["obedience"], metrics["obedience_real"]
        lines.append(
            f"  {metrics['classifier']} reads the emotion asked for in {asked['accuracy']:.4f} of the faces "
            f"(macro-F1 {asked['f1_macro']:.4f}), and real faces' label in {real['accuracy']:.4f}"
        )
    if metrics["cas"]:
        lines.append(f"  CAS ratio {metrics['cas']['ratio']:.4f}, n {metrics['cas']['n']}")
    lines.append(f"  copies of Training faces: {metrics['copying']['pixels']['share']:.4f}, of real ones 0.01")
    return "\n".join(lines)


def summary(metrics: dict[str, Any]) -> str:
    """Give the main figures as lines."""
    from fer_models.card import share_text
    from fer_models.judging.evaluation import SPREAD

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
    for key, runs in (metrics["alone"] or {}).items():
        each, (low, high) = ", ".join(f"{value:.4f}" for value in runs["values"]), runs["ci"]
        lines.append(
            f"  each alone  {SPREAD[key]} {runs['mean']:.4f} ± {runs['sd']:.4f} ({low:.4f}-{high:.4f}): {each}"
        )
    told = metrics["calibration"]
    if told:
        served = f"as served, with temperature {told['temperature']:.3f}"
        lines.append(f"  {served}: ECE {told['ece']:.4f}, NLL {told['nll']:.4f}, AURC {told['aurc']:.4f}")
    if told and told["answered"]:
        coverage, accuracy = (share_text(told["answered"], key) for key in ("coverage", "accuracy"))
        lines.append(f"  with --uncertain: {coverage} answered, {accuracy} of them right")
    seen = metrics["taggers"]
    if seen:
        answers, labels, agreed = (share_text(seen, key) for key in ("answers", "labels", "agreed"))
        lines.append(f"  as FER+'s majority (n {seen['n']}): {answers} of the answers, {labels} of FER2013's labels")
        lines.append(f"  where the label is that majority (n {seen['agreed_n']}): {agreed} of the answers")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
