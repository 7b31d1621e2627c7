"""Judge a classifier on a split of FER2013."""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor

from fer_data.errors import UserError
from fer_data.fer2013 import dedup_test_mask
from fer_data.table import USAGES, FaceTable
from fer_models.hub import Checkpoint, place
from fer_models.metrics.classification import judge

Split = Literal["val", "test"]
SPLITS: dict[Split, str] = {"val": "PublicTest", "test": "PrivateTest"}


def predict_faces(
    checkpoint: Checkpoint, images: NDArray[np.uint8], tta: bool = False, batch_size: int = 256, device: str = "cpu"
) -> Tensor:
    """Classify many faces, on one device.

    Args:
        checkpoint: Of a classifier.
        images: uint8 (N, H, W).
        tta: Average the probabilities of each face and its mirror image (test-time augmentation).
        batch_size: Faces at once.
        device: E.g. ``cpu`` or ``cuda``.

    Returns:
        Probabilities, float32 (N, 7), on the CPU.
    """
    network = place(checkpoint.network, device)
    rows, starts = [], range(0, len(images), batch_size)
    for start in track(starts, "judging", console=Console(stderr=True), transient=True):
        faces = np.stack([checkpoint.preprocess(image) for image in images[start : start + batch_size]])
        batch = torch.from_numpy(faces).to(device)
        with torch.inference_mode():
            probabilities = network(batch).softmax(1)
            if tta:
                probabilities = (probabilities + network(batch.flip(3)).softmax(1)) / 2
        rows.append(probabilities.float().cpu())
    return torch.cat(rows)


def evaluate(
    checkpoint: Checkpoint, table: FaceTable, split: Split = "test", tta: bool = False, device: str = "cpu"
) -> tuple[dict[str, Any], Tensor, NDArray[np.intp]]:
    """Judge a classifier on one official split.

    Returns:
        The metrics (see ``judge``) with ``split``, ``tta`` and, for ``test``, ``test_dedup``: the same metrics on
        PrivateTest without the faces that also stand in Training or PublicTest; the probabilities (N, 7); and the N
        faces' positions in the table.
    """
    if table.classes != checkpoint.labels:
        how = "--data ferplus:PATH" if len(checkpoint.labels) > len(table.classes) else "--data PATH, without ferplus:"
        raise UserError(
            f"the checkpoint {checkpoint.name} has {len(checkpoint.labels)} emotions, but the data have "
            f"{len(table.classes)}: give {how}"
        )
    chosen = np.flatnonzero(table.usage == USAGES.index(SPLITS[split]))
    probabilities = predict_faces(checkpoint, table.images[chosen], tta, device=device)
    labels = torch.from_numpy(table.labels[chosen]).long()
    metrics = {"split": split, "usage": SPLITS[split], "tta": tta, **judge(probabilities, labels)}
    metrics["test_dedup"] = None
    if split == "test":
        unique = torch.from_numpy(dedup_test_mask(table)[chosen])
        metrics["test_dedup"] = judge(probabilities[unique], labels[unique])
    return metrics, probabilities, chosen
