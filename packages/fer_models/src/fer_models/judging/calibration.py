"""Probabilities that can be believed, and when a classifier had better not answer.

Both are fitted on PublicTest and told on PrivateTest, for one look at each face, as it is served: mirror images, ten
crops and ensembles average answers, for which another temperature would be right.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from fer_models.metrics.classification import calibration_error, negative_log_likelihood, share_interval

TARGET = 0.9
"""The accuracy that the answered part is to reach."""


def fit(probabilities: Tensor, labels: Tensor) -> dict[str, Any]:
    """Fit a temperature, and a threshold for its probabilities.

    Args:
        probabilities: (N, 7), a network's softmax.
        labels: (N,) int64.

    Returns:
        ``temperature``; ``uncertain_below``, None where no threshold reaches it; ``target_accuracy``.
    """
    temperature = fit_temperature(probabilities, labels)
    threshold = fit_threshold(tempered(probabilities, temperature), labels)
    return {"temperature": temperature, "uncertain_below": threshold, "target_accuracy": TARGET}


def fit_temperature(probabilities: Tensor, labels: Tensor) -> float:
    """Find the temperature whose probabilities make the labels likeliest (Guo et al. 2017).

    One number divides all logits, so no answer changes (https://arxiv.org/abs/1706.04599). Above 1 the network was
    surer of itself than it had reason to be.

    Args:
        probabilities: (N, 7), a network's softmax.
        labels: (N,) int64.
    """
    logits = _logits(probabilities)
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        value = nll_loss((logits / log_temperature.exp()).log_softmax(1), labels)
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return float(log_temperature.detach().exp())


def tempered(probabilities: Tensor, temperature: float) -> Tensor:
    """Give the softmax of logits that are divided by a temperature, of the softmax (N, 7) of the logits themselves."""
    return (_logits(probabilities) / temperature).softmax(1).to(probabilities.dtype)


def fit_threshold(probabilities: Tensor, labels: Tensor, target: float = TARGET) -> float | None:
    """Find the lowest top probability above which the share of right answers reaches the target.

    Args:
        probabilities: (N, 7).
        labels: (N,) int64.
        target: Accuracy of the answered part, 0..1.

    Returns:
        The threshold, midway between the last answered face's top probability and the next; None if none reaches it.
    """
    confidence, right = _ranked(probabilities, labels)
    accuracy = right.cumsum(0) / torch.arange(1, len(right) + 1)
    following = torch.cat([confidence[1:], torch.zeros(1)])
    reached = torch.nonzero((accuracy >= target) & (confidence > following))[:, 0]
    if not len(reached):
        return None
    return float((confidence[reached[-1]] + following[reached[-1]]) / 2)


def risk_coverage(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Give the error on the answered part for each share that is answered, the surest first (Geifman & El-Yaniv 2017).

    The mean of the errors is the area under the curve, AURC (https://arxiv.org/abs/1805.08206).

    Args:
        probabilities: (N, 7).
        labels: (N,) int64.

    Returns:
        Coverage 1/N..1 and error 0..1, both (N,).
    """
    _, right = _ranked(probabilities, labels)
    count = torch.arange(1, len(right) + 1, dtype=torch.float64)
    return count / len(right), 1 - right.cumsum(0) / count


def judge_calibration(probabilities: Tensor, labels: Tensor, fitted: Mapping[str, Any]) -> dict[str, Any]:
    """Tell what a temperature and a threshold do on one set of faces.

    Args:
        probabilities: (N, 7), a network's softmax, without the temperature.
        labels: (N,) int64.
        fitted: What ``fit`` gave, on these faces or on others.

    Returns:
        ``n``; ``nll`` and ``ece`` with the temperature, ``nll_before`` and ``ece_before`` without; ``aurc``; and of
        the answered part ``coverage`` and ``accuracy`` with 95% intervals ``*_ci``, None where there is no threshold.
    """
    after = tempered(probabilities, fitted["temperature"])
    found: dict[str, Any] = {
        "n": len(labels),
        "nll_before": negative_log_likelihood(probabilities, labels),
        "nll": negative_log_likelihood(after, labels),
        "ece_before": calibration_error(probabilities, labels),
        "ece": calibration_error(after, labels),
        "aurc": float(risk_coverage(after, labels)[1].mean()),
        "answered": None,
    }
    if fitted["uncertain_below"] is not None:
        confidence, right = _ranked(after, labels)
        answered = int((confidence >= fitted["uncertain_below"]).sum())
        hits = int(right[:answered].sum())
        found["answered"] = {
            "coverage": answered / len(labels),
            "coverage_ci": share_interval(answered, len(labels)),
            "accuracy": hits / answered if answered else None,
            "accuracy_ci": share_interval(hits, answered),
        }
    return found


def _ranked(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Give top probabilities, the surest first, and whether these answers are right."""
    confidence, answer = probabilities.max(1)
    confidence, order = confidence.sort(descending=True, stable=True)
    return confidence, (answer == labels)[order].double()


def _logits(probabilities: Tensor) -> Tensor:
    """Undo a softmax, up to a number for each row, which the next softmax doesn't see."""
    return probabilities.double().clamp_min(1e-38).log()
