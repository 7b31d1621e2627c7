"""Answers beside what FER+'s taggers see."""

import numpy as np
import pytest
import torch

from fer_data.emotions import EMOTIONS, FERPLUS_VOTES
from fer_models.judging.taggers import judge_by_taggers
from fer_models.metrics.classification import share_interval


def seen(*names: str | None) -> np.ndarray:
    """Give votes of ten taggers who all see the same; None is a face without a majority."""
    votes = np.zeros((len(names), len(FERPLUS_VOTES)), np.uint8)
    for row, name in zip(votes, names, strict=True):
        if name is None:
            row[:5] = 2
        else:
            row[FERPLUS_VOTES.index(name)] = 10
    return votes


def answers(*names: str) -> torch.Tensor:
    return torch.eye(7)[[EMOTIONS.index(name) for name in names]]


def labels(*names: str) -> np.ndarray:
    return np.array([EMOTIONS.index(name) for name in names], np.uint8)


def test_answers_and_labels_are_compared_with_what_most_taggers_see():
    found = judge_by_taggers(
        answers("happy", "sad", "fear", "angry", "happy"),
        labels("happy", "sad", "surprise", "angry", "happy"),
        seen("happiness", "fear", "fear", "contempt", None),
    )
    assert (found["n"], found["answers"], found["labels"]) == (4, 0.5, 0.25)
    assert (found["agreed_n"], found["agreed"]) == (1, 1.0)
    assert found["answers_ci"] == pytest.approx(share_interval(2, 4))
    assert found["agreed_ci"] == pytest.approx(share_interval(1, 1))


def test_where_taggers_never_agree_there_are_no_shares():
    found = judge_by_taggers(answers("happy"), labels("happy"), seen(None))
    assert found["n"] == found["agreed_n"] == 0
    assert found["answers"] is found["labels"] is found["agreed"] is found["answers_ci"] is None
