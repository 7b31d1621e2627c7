"""Metrics of recognition: a few while training, all of them with intervals when a model is judged."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score
from torchmetrics.functional.classification import (
    multiclass_auroc,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
)

from fer_data.emotions import class_names
from fer_data.errors import UserError

BOOTSTRAPS = 2000


def training_metrics(num_classes: int) -> MetricCollection:
    """Make accuracy (share of faces that are right), macro-F1 and balanced accuracy; more is better for all."""
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro"),
            "f1_macro": MulticlassF1Score(num_classes, average="macro"),
            "balanced_accuracy": MulticlassAccuracy(num_classes, average="macro"),
        }
    )


def judge(probabilities: Tensor, labels: Tensor, seed: int = 0) -> dict[str, Any]:
    """Compute all metrics of a classifier on one set of faces.

    Args:
        probabilities: (N, 7) float, or (N, 8) for FER+'s classes, rows sum to 1.
        labels: (N,) int64.
        seed: Of the bootstrap.

    Returns:
        ``n``, ``accuracy``, ``f1_macro``, ``balanced_accuracy``, each with a 95% bootstrap interval ``*_ci``; ``auroc``
        (macro, one against the rest), ``ece`` (expected calibration error, 15 bins), ``nll``, ``per_class``
        (precision, recall, f1, support by emotion) and ``confusion`` (rows: truth; counts). All shares are in 0..1.
        What can't be computed because an emotion is missing is None.
    """
    if len(labels) == 0 or not probabilities.isfinite().all():
        raise UserError(f"{len(labels)} faces can't be judged: there are none, or the network's answers are no numbers")
    k = probabilities.shape[1]
    confusion = multiclass_confusion_matrix(probabilities, labels, k)
    present = torch.bincount(labels, minlength=k).nonzero()[:, 0]
    auroc = (
        multiclass_auroc(probabilities[:, present], _renumber(labels, present), len(present))
        if len(present) > 1
        else None
    )
    return {
        "n": len(labels),
        **summary(confusion),
        **bootstrap_intervals(confusion, seed),
        "auroc": None if auroc is None else float(auroc),
        "ece": calibration_error(probabilities, labels),
        "nll": negative_log_likelihood(probabilities, labels),
        "per_class": per_class(confusion),
        "confusion": confusion.tolist(),
    }


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Give the expected calibration error, 15 bins, of (N, 7) probabilities and (N,) labels."""
    return float(multiclass_calibration_error(probabilities, labels, probabilities.shape[1], n_bins=15))


def negative_log_likelihood(probabilities: Tensor, labels: Tensor) -> float:
    """Give the mean over faces of -log of the label's probability, of (N, 7) probabilities and (N,) labels."""
    return float(-probabilities[torch.arange(len(labels)), labels].clamp_min(1e-12).log().mean())


def share_interval(hits: int, n: int) -> list[float] | None:
    """Give the 95% interval of a share that was found as ``hits`` of ``n`` (Wilson 1927); None where n is 0."""
    if not n:
        return None
    z, share = 1.96, hits / n
    centre, reach = share + z**2 / (2 * n), z * (share * (1 - share) / n + (z / (2 * n)) ** 2) ** 0.5
    return [(centre - reach) / (1 + z**2 / n), (centre + reach) / (1 + z**2 / n)]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Tell how runs that differ by their seed agree.

    Args:
        values: One figure of each of two runs or more.

    Returns:
        ``values``, ``mean``, ``sd`` (of the sample), and ``ci``, the mean's 95% interval by Student's t.
    """
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * sd / len(values) ** 0.5
    return {"values": [float(value) for value in values], "mean": mean, "sd": sd, "ci": [mean - reach, mean + reach]}


def summary(confusion: Tensor) -> dict[str, float]:
    """Give accuracy, macro-F1 and balanced accuracy of a (7, 7) confusion matrix (rows: truth).

    Macro averages go over the emotions that occur, in truth or in answers.
    """
    _, recall, f1, support = _rates(confusion)
    occurs = support + confusion.sum(0) > 0
    return {
        "accuracy": float(confusion.trace() / confusion.sum()),
        "f1_macro": float(f1[occurs].mean()),
        "balanced_accuracy": float(recall[support > 0].mean()),
    }


def per_class(confusion: Tensor) -> dict[str, dict[str, float | int]]:
    """Give precision, recall, F1 and support of each emotion, of a (7, 7) confusion matrix (rows: truth)."""
    columns = zip(*(rate.tolist() for rate in _rates(confusion)), strict=True)
    return {
        emotion: {"precision": p, "recall": r, "f1": f, "support": int(n)}
        for emotion, (p, r, f, n) in zip(class_names(len(confusion)), columns, strict=True)
    }


def bootstrap_intervals(confusion: Tensor, seed: int) -> dict[str, list[float]]:
    """Give 95% percentile intervals from redrawn faces (Efron 1979), 2,000 draws.

    Drawing N faces with replacement is drawing the cells of the confusion matrix from a multinomial, which is exact
    and fast.
    """
    cells = (confusion.double() / confusion.sum()).flatten().numpy()
    draws = np.random.default_rng(seed).multinomial(int(confusion.sum()), cells, size=BOOTSTRAPS)
    rows = [summary(torch.from_numpy(draw).reshape(confusion.shape)) for draw in draws]
    return {f"{key}_ci": np.percentile([row[key] for row in rows], [2.5, 97.5]).tolist() for key in rows[0]}


def _rates(confusion: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    hits, answered, support = confusion.diagonal().double(), confusion.sum(0).double(), confusion.sum(1).double()
    precision, recall = hits / answered.clamp_min(1), hits / support.clamp_min(1)
    return precision, recall, 2 * hits / (answered + support).clamp_min(1), support


def _renumber(labels: Tensor, present: Tensor) -> Tensor:
    return torch.searchsorted(present, labels)
