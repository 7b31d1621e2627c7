"""Judge a classifier, or several together, on a split of FER2013."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torchvision.transforms.v2.functional import pad, ten_crop

from fer_data.errors import UserError
from fer_data.fer2013 import dedup_test_mask
from fer_data.table import USAGES, FaceTable
from fer_models.backends import backend_of
from fer_models.hub import Checkpoint
from fer_models.judging import calibration
from fer_models.metrics.classification import judge, spread
from fer_models.networks.base import Classifier
from fer_models.registry import complete

Split = Literal["val", "test"]
SPLITS: dict[Split, str] = {"val": "PublicTest", "test": "PrivateTest"}

Tta = Literal["none", "flip", "ten-crop"]
TTA: dict[Tta, str] = {
    "none": "one look at each face",
    "flip": "each face averaged with its mirror image",
    "ten-crop": "ten crops of each face, of corners and centre and their mirror images, their logits averaged",
}
"""Ways of test-time augmentation, and what a report says of them."""

JUDGED: dict[str, tuple[Split, Tta]] = {
    "val": ("val", "none"),
    "test": ("test", "none"),
    "test_tta": ("test", "flip"),
}
"""The figures of a published checkpoint: key in ``metrics`` of its ``config.json`` -> split and looks."""

SPREAD = {"accuracy": "accuracy", "f1_macro": "macro-F1", "balanced_accuracy": "balanced accuracy"}
"""The figures that are told of each member of an ensemble, and their names."""

Answers = dict[Split, tuple[Tensor, Tensor]]
"""Probabilities (N, 7) and labels (N,) by split."""


def classifier_of(checkpoint: Checkpoint) -> Classifier:
    """Give a checkpoint's network.

    Raises:
        UserError: It is no classifier.
    """
    if not isinstance(checkpoint.network, Classifier):
        raise UserError(
            f"the checkpoint {checkpoint.name} holds a {checkpoint.config['model']}, which is no classifier"
        )
    return checkpoint.network


def looks(batch: Tensor, tta: Tta) -> Sequence[Tensor]:
    """Give the pictures of faces whose answers are averaged.

    A crop is 44 pixels wide where the face has 48, as in WuJie's published ten-crop figures
    (https://github.com/WuJie1010/Facial-Expression-Recognition.Pytorch). It departs from them by edges that are
    repeated outwards, up to the size that the network was trained on.

    Args:
        batch: (B, C, S, S).
        tta: Key of ``TTA``.

    Returns:
        1, 2 or 10 batches of the same shape.
    """
    if tta == "none":
        return [batch]
    if tta == "flip":
        return [batch, batch.flip(3)]
    side = batch.shape[-1]
    margin = round(side / 24)
    return [pad(crop, [margin], padding_mode="edge") for crop in ten_crop(batch, [side - 2 * margin] * 2)]


def predict_faces(
    checkpoint: Checkpoint,
    images: NDArray[np.uint8],
    tta: Tta = "none",
    batch_size: int = 256,
    device: str = "cpu",
    backend: str = "torch",
) -> Tensor:
    """Classify many faces, on one device.

    Args:
        checkpoint: Of a classifier.
        images: uint8 (N, H, W).
        tta: Average the answers to several looks at each face (test-time augmentation): a key of ``TTA``.
        batch_size: Faces at once.
        device: E.g. ``cpu`` or ``cuda``.
        backend: One of ``backends.BACKENDS``; published figures are torch's.

    Returns:
        Probabilities, float32 (N, 7), on the CPU.

    Raises:
        UserError: The checkpoint is of no classifier, or the device or the backend isn't there.
    """
    classifier_of(checkpoint)
    network = backend_of(checkpoint, backend, device)
    rows, starts = [], range(0, len(images), batch_size)
    for start in track(starts, f"{checkpoint.name} judges", console=Console(stderr=True), transient=True):
        faces = np.stack([checkpoint.preprocess(image) for image in images[start : start + batch_size]])
        logits = [network(image=look.numpy()) for look in looks(torch.from_numpy(faces), tta)]
        answers = torch.from_numpy(np.stack(logits))
        # The logits of ten crops, as in published figures; the probabilities of mirror images, as ours were published.
        rows.append(answers.mean(0).softmax(1) if tta == "ten-crop" else answers.softmax(2).mean(0))
    return torch.cat(rows)


def evaluate(
    checkpoints: Sequence[Checkpoint],
    table: FaceTable,
    split: Split = "test",
    tta: Tta = "none",
    device: str = "cpu",
    backend: str = "torch",
) -> tuple[dict[str, Any], Tensor, NDArray[np.intp]]:
    """Judge a classifier, or an ensemble of several, on one official split.

    Args:
        checkpoints: Their probabilities are averaged; each gets its own ``Preprocess``.
        table: The faces.
        split: ``val`` is PublicTest, ``test`` is PrivateTest.
        tta: As for ``predict_faces``.
        device: As for ``predict_faces``.
        backend: As for ``predict_faces``.

    Returns:
        The metrics (see ``judge``) and

        - ``split``, ``usage`` and ``tta``;
        - ``test_dedup``: for ``test``, the same metrics on PrivateTest without the faces that also stand in Training or
          PublicTest, else None;
        - ``alone``: of an ensemble, for each of ``SPREAD`` how the members do without each other (see ``spread``); None
          for a single one, and where options of network or task differ (see ``_recipe``).

        Then the probabilities (N, 7), and the N faces' positions in the table.

    Raises:
        UserError: A checkpoint is of no classifier, or has other emotions than the table.
    """
    for checkpoint in checkpoints:
        _check_emotions(checkpoint, table)
    chosen = np.flatnonzero(table.usage == USAGES.index(SPLITS[split]))
    images = table.images[chosen]
    answers = [predict_faces(member, images, tta, device=device, backend=backend) for member in checkpoints]
    probabilities = torch.stack(answers).mean(0)
    labels = torch.from_numpy(table.labels[chosen]).long()
    metrics = {"split": split, "usage": SPLITS[split], "tta": tta, **judge(probabilities, labels)}
    metrics["alone"] = None
    if len(checkpoints) > 1 and all(_recipe(member) == _recipe(checkpoints[0]) for member in checkpoints):
        alone = [judge(answer, labels) for answer in answers]
        metrics["alone"] = {key: spread([member[key] for member in alone]) for key in SPREAD}
    metrics["test_dedup"] = None
    if split == "test":
        unique = torch.from_numpy(dedup_test_mask(table)[chosen])
        metrics["test_dedup"] = judge(probabilities[unique], labels[unique])
    return metrics, probabilities, chosen


def _recipe(member: Checkpoint) -> dict[str, Any]:
    """Give the options of network and task; of data, augmentation and length a checkpoint doesn't tell."""
    options = complete({key: member.config[key] for key in ("model", "network_config")})
    told = {**member.config.get("training", {}), "network_config": options["network_config"]}
    return {key: told.get(key, value) for key, value in options.items()}


def _check_emotions(checkpoint: Checkpoint, table: FaceTable) -> None:
    if table.classes != checkpoint.labels:
        how = "--data ferplus:PATH" if len(checkpoint.labels) > len(table.classes) else "--data PATH, without ferplus:"
        raise UserError(
            f"the checkpoint {checkpoint.name} has {len(checkpoint.labels)} emotions, but the data have "
            f"{len(table.classes)}: give {how}"
        )


def judge_published(checkpoint: Checkpoint, table: FaceTable) -> tuple[dict[str, dict[str, Any]], Answers]:
    """Judge a classifier as every published one is judged.

    Returns:
        The ``metrics`` of its ``config.json``, one entry for each of ``JUDGED``; and its answers to one look at each
        face of each of ``SPLITS``, for ``calibrate``.
    """
    metrics: dict[str, dict[str, Any]] = {}
    answers: Answers = {}
    for key, (split, tta) in JUDGED.items():
        metrics[key], probabilities, chosen = evaluate([checkpoint], table, split, tta)
        if tta == "none":
            answers[split] = probabilities, torch.from_numpy(table.labels[chosen]).long()
    return metrics, answers


def calibrate(answers: Answers) -> dict[str, Any]:
    """Give the ``calibration`` of a checkpoint's ``config.json``.

    Args:
        answers: As ``judge_published`` gives them.

    Returns:
        Temperature and threshold, fitted on PublicTest (see ``calibration.fit``), and what they do on PublicTest,
        ``val``, and on PrivateTest, ``test`` (see ``calibration.judge_calibration``).
    """
    fitted = calibration.fit(*answers["val"])
    told = {str(split): calibration.judge_calibration(*answer, fitted) for split, answer in answers.items()}
    return {**fitted, "fitted_on": SPLITS["val"], **told}
