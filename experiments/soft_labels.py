"""Soft labels of Training, out of fold: ``python experiments/soft_labels.py --out soft.npz --model cnn --data auto``.

One network for each fold is trained on the other folds of Training, by train.py with the options given, and asked about
its own fold. No other split is looked at. The same command again goes on where it was stopped.
"""

import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import train
from fer_data.errors import UserError, check_range, sentences
from fer_data.table import FaceTable
from fer_models.networks import CLASSIFIERS


def main(argv: Sequence[str] | None = None) -> None:
    """Make soft labels as the command line says."""
    parser = ArgumentParser(prog="soft_labels.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--folds", type=int, default=3, help="number of networks (default: 3)")
    parser.epilog = "All other options are train.py's; each network trains on one device."
    own, rest = parser.parse_known_args(argv)
    with sentences():
        check_range("--folds", own.folds, 2, 100)
        if own.out.suffix != ".npz":
            raise UserError(f"--out {own.out} must end in .npz")
        cross_fit(own.out, own.folds, rest)


def cross_fit(out: Path, folds: int, rest: Sequence[str]) -> None:
    """Train a network for each fold, collect what each says of the faces it hasn't seen, and write it."""
    from fer_data.datamodule import FER2013DataModule
    from fer_data.fer2013 import TRAINING
    from fer_data.soft_labels import deal_folds

    model = train.which_model(rest)
    if model not in CLASSIFIERS:
        raise UserError(f"--model {model} is no classifier, so it gives no soft labels")
    parser, groups = train.build_parser(model)
    options = parser.parse_args(train.complete_flags(rest, parser))
    if options.fast_dev_run:
        raise UserError("--fast_dev_run leaves no network to ask: use --max_epochs 1 --limit_train_batches 1")
    votes = bool(options.ferplus_weight)
    table = FER2013DataModule(**{key: options[key] for key in groups["data"]}, votes=votes).table
    training = table.take(table.usage == TRAINING)
    fold_of = deal_folds(training, folds, options.seed)
    answers = []
    for fold in range(folds):
        name = f"{out.stem}-fold{fold + 1}of{folds}"
        options = parser.parse_args(
            [*train.complete_flags(rest, parser), f"--name={name}", "--resume=auto", "--devices=1"]
        )
        # The fold stands as PublicTest, so that its accuracy is shown; it chooses nothing, see ask.
        train.train(options, groups, parser, replace(training, usage=(fold_of == fold).astype(np.uint8)))
        answers.append(ask(options, training.take(fold_of == fold)))
    probabilities = np.empty((len(fold_of), answers[0].shape[1]), np.float32)
    for fold, answer in enumerate(answers):
        probabilities[fold_of == fold] = answer
    write(out, table, probabilities, fold_of)


def write(out: Path, table: FaceTable, probabilities: np.ndarray, fold_of: np.ndarray) -> None:
    """Write soft labels, and tell how often they are the given ones."""
    from fer_data.fer2013 import TRAINING
    from fer_data.soft_labels import write_soft_labels

    write_soft_labels(out, table, probabilities, fold_of, shlex.join(["python", *sys.argv]))
    agreed = float((probabilities.argmax(1) == table.labels[table.usage == TRAINING]).mean())
    print(f"{out}: {len(fold_of):,} faces, {agreed:.1%} of them as labelled; next: train.py --soft_labels {out}")


def ask(options: Any, faces: FaceTable) -> np.ndarray:
    """Give the answers (N, K) of a fold's last weights, averaged with those to mirror images, which are trained on too.

    The last weights and not the best: those were chosen by the very faces that are asked about.
    """
    import torch

    from fer_models.hub import load_run
    from fer_models.judging.evaluation import predict_faces

    last = Path(options.run_dir) / options.model / options.name / "checkpoints" / "last.ckpt"
    device = "cuda" if options.accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    return predict_faces(load_run(last), faces.images, tta="flip", device=device).numpy()


if __name__ == "__main__":
    main()
