"""Judge answers by a second set of labels: the majorities of FER+'s ten taggers of the same faces."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fer_data.ferplus import majority_as_labelled
from fer_models.metrics.classification import share_interval


def judge_by_taggers(probabilities: Tensor, labels: NDArray[np.uint8], votes: NDArray[np.uint8]) -> dict[str, Any]:
    """Tell how often answers, and how often FER2013's own labels, are FER+'s majority.

    It shows how far FER2013's labels can be trusted, and so what an accuracy against them means.

    Args:
        probabilities: (N, 7).
        labels: uint8 (N,), FER2013's.
        votes: uint8 (N, 10), FER+'s of the same faces.

    Returns:
        ``n`` faces with a majority (see ``fer_data.ferplus.majority``); ``answers`` and ``labels``, the shares of them
        whose answer or label is that majority (never, where it is contempt); ``agreed_n`` faces whose label is, and
        ``agreed``, the share of them with this answer. Each share has a 95% interval ``*_ci``; None of no faces.
    """
    seen = majority_as_labelled(votes)
    decided, answer = seen > -2, probabilities.argmax(1).numpy()
    labelled = decided & (labels == seen)
    return {
        "n": int(decided.sum()),
        **_share("answers", decided & (answer == seen), decided),
        **_share("labels", labelled, decided),
        "agreed_n": int(labelled.sum()),
        **_share("agreed", labelled & (answer == seen), labelled),
    }


def _share(name: str, hits: NDArray[np.bool_], of: NDArray[np.bool_]) -> dict[str, Any]:
    count, n = int(hits.sum()), int(of.sum())
    return {name: count / n if n else None, f"{name}_ci": share_interval(count, n)}
