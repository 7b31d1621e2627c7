"""Soft labels: what networks say of faces of Training that they were not trained on."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_data.errors import DataError
from fer_data.fer2013 import TRAINING, fingerprint, image_numbers
from fer_data.files import write_atomically
from fer_data.table import FaceTable

REMEDY = "Make the file anew with experiments/soft_labels.py."


def deal_folds(training: FaceTable, folds: int, seed: int) -> NDArray[np.intp]:
    """Deal faces into folds at random: each fold has its share of each emotion, and copies of an image stay together.

    Args:
        training: Faces of Training.
        folds: K, number of folds.
        seed: Decides who goes where.

    Returns:
        (N,), each face's fold, 0 to K - 1.
    """
    numbers = image_numbers(training)
    _, first = np.unique(numbers, return_index=True)
    shuffled = np.random.default_rng(seed).permutation(len(first))
    by_emotion = shuffled[np.argsort(training.labels[first[shuffled]], kind="stable")]
    fold_of_image = np.empty(len(first), np.intp)
    fold_of_image[by_emotion] = np.arange(len(first)) % folds
    return fold_of_image[numbers]


def write_soft_labels(
    path: Path, table: FaceTable, probabilities: NDArray[np.float32], folds: NDArray[np.intp], told: str
) -> None:
    """Write soft labels as ``.npz``.

    Args:
        path: The file.
        table: All faces; its fingerprint is written too.
        probabilities: (N, K), of the Training faces in the table's order.
        folds: (N,), the fold of each, whose network was not trained on it.
        told: The command that made them.
    """
    content = io.BytesIO()
    np.savez_compressed(
        content,
        probabilities=probabilities.astype(np.float32),
        fold=folds.astype(np.int8),
        fingerprint=np.array(fingerprint(table)),
        command=np.array(told),
    )
    write_atomically(path, content.getvalue())


def read_soft_labels(path: Path, table: FaceTable, classes: Sequence[str]) -> NDArray[np.float32]:
    """Read soft labels.

    Args:
        path: What ``write_soft_labels`` wrote.
        table: The faces that they must have been made for.
        classes: K names.

    Returns:
        float32 (N, K), of the Training faces in the table's order; rows sum to 1.

    Raises:
        DataError: The file is missing or damaged, or was made for other data.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content:
            made_for, probabilities = str(content["fingerprint"]), content["probabilities"]
        good = probabilities.shape == (int((table.usage == TRAINING).sum()), len(classes))
        sums = probabilities.astype(np.float32).sum(1, keepdims=True)
    except Exception as error:  # a damaged archive can raise anything
        raise DataError(f"--soft_labels {path} can't be read ({error}). {REMEDY}") from error
    if made_for != fingerprint(table):
        raise DataError(
            f"--soft_labels {path} was made for other data: their fingerprint is {made_for[:16]}, but that of the data "
            f"given is {fingerprint(table)[:16]}. {REMEDY}"
        )
    if not (good and np.allclose(sums, 1, atol=0.01)):
        raise DataError(f"--soft_labels {path} holds no probabilities of {len(classes)} emotions. {REMEDY}")
    return np.asarray(probabilities / sums, np.float32)
