"""Check a checkpoint's figures: ``python experiments/verify.py checkpoints/cnn --data auto``.

Judges the published weights anew and compares with what config.json tells. Processors round differently, so up to 2
faces of a split may be answered otherwise. Figures that follow from the answers must follow from the recorded
confusion matrix exactly; those that rest on probabilities, and intervals, may differ by 0.005. Temperature and
threshold are fitted anew; the threshold may differ by 0.02, as it rests on the few faces at its edge.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_data.errors import UserError, sentences

if TYPE_CHECKING:
    from fer_models.judging.evaluation import Answers

FACES = 2
"""How many faces of a split another processor may answer otherwise."""

EXACT, NEAR, EDGE = 1e-6, 0.005, 0.02


def main(argv: Sequence[str] | None = None) -> None:
    """Verify as the command line says."""
    parser = ArgumentParser(prog="verify.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("checkpoint", help="name in checkpoints/, or a checkpoint folder")
    parser.add_argument("--data", default="auto", help="FER2013; as for train.py (default: auto)")
    with sentences():
        verify(parser.parse_args(argv))


def verify(options: Namespace) -> None:
    """Judge anew, print recorded and found figures, and raise where they differ.

    Raises:
        UserError: A figure is not what the weights give on these data, or the data are others.
    """
    from fer_data.fer2013 import fingerprint, load
    from fer_models import hub
    from fer_models.judging.evaluation import judge_published

    checkpoint, table = hub.load(options.checkpoint), load(options.data)
    recorded, found = checkpoint.config.get("data_fingerprint"), fingerprint(table)
    if recorded != found:
        raise UserError(
            f"--data {options.data} is not what {options.checkpoint} was judged on: its fingerprint is {found[:16]}, "
            f"recorded is {str(recorded)[:16]}"
        )
    judged, answers = judge_published(checkpoint, table)
    try:
        pairs = dict(_pairs(checkpoint.config["metrics"], judged))
        wrong = [f"{name}: {what}" for name, pair in pairs.items() for what in differences(*pair)]
        print(_overview(pairs))
        calibration = checkpoint.config.get("calibration")
        if calibration is None:
            print("no calibration is recorded: it was published before there was any")
        else:
            wrong += [f"calibration: {what}" for what in calibration_differences(calibration, answers)]
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"config.json of {options.checkpoint} lacks figures, or they are damaged: {error!r}") from error
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        raise UserError(f"{len(wrong)} recorded figures of {options.checkpoint} are not what its weights give")
    print(f"verified: all figures of {options.checkpoint}, to {FACES} faces of a split (processors round differently)")


def differences(recorded: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    """Compare the metrics of one set of faces; give a sentence for each that is wrong."""
    import torch

    from fer_models.metrics.classification import per_class, summary

    confusion = torch.tensor(recorded["confusion"])
    otherwise = moved(recorded, found)
    if otherwise > FACES:
        yield f"{otherwise} faces are answered otherwise than the recorded confusion matrix tells"
    follows = {**summary(confusion), "per_class": per_class(confusion)}
    for place, value in leaves({**found, **follows, "confusion": None, "test_dedup": None}).items():
        told = leaves(recorded)[place]
        exact = place.split(".")[0] in follows
        if not abs(told - value) <= (EXACT if exact else NEAR):  # also where it is NaN
            yield f"{place} is recorded as {told:.6g}, found is {value:.6g}"


def calibration_differences(recorded: dict[str, Any], answers: "Answers") -> Iterator[str]:
    """Compare a ``calibration`` with what the answers on each split give; give a sentence for each wrong figure."""
    from fer_models.judging.calibration import fit, judge_calibration

    fitted = fit(*answers["val"])
    told = {split: judge_calibration(*answer, recorded) for split, answer in answers.items()}
    # What a threshold does is judged at the recorded one.
    found, tolerance = leaves({**fitted, **told}), {"uncertain_below": EDGE}
    figures = leaves(recorded)
    for place in sorted(found.keys() | figures.keys()):
        value, was = found.get(place, nan), figures.get(place, nan)
        if not abs(was - value) <= tolerance.get(place, NEAR):
            yield f"{place} is recorded as {was:.6g}, found is {value:.6g}"


def moved(recorded: dict[str, Any], found: dict[str, Any]) -> int:
    """Count the faces that were answered otherwise, at least, of two confusion matrices of the same faces."""
    return int(np.abs(np.subtract(recorded["confusion"], found["confusion"])).sum() + 1) // 2


def leaves(node: Any, place: str = "") -> dict[str, float]:
    """Flatten nested figures: ``{"a": {"b": [1]}}`` -> ``{"a.b.0": 1}``; what is no number is left out."""
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        return {k: v for key, child in items for k, v in leaves(child, f"{place}.{key}".lstrip(".")).items()}
    return {place: node} if isinstance(node, int | float) and not isinstance(node, bool) else {}


def _pairs(recorded: Any, found: dict[str, Any]) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, Any]]]]:
    for name, part in found.items():
        yield name, (recorded[name], part)
        if part["test_dedup"]:
            yield f"{name} without duplicates", (recorded[name]["test_dedup"], part["test_dedup"])


def _overview(pairs: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> str:
    import pandas as pd

    rows = [
        {
            "faces": found["n"],
            "accuracy recorded": recorded["accuracy"],
            "found": found["accuracy"],
            "macro-F1 recorded": recorded["f1_macro"],
            "found ": found["f1_macro"],
            "answered otherwise": moved(recorded, found),
        }
        for recorded, found in pairs.values()
    ]
    text: str = pd.DataFrame(rows, index=list(pairs)).to_string(float_format="{:.4f}".format)
    return text


if __name__ == "__main__":
    main()
