"""Metrics of recognition on cases whose answer is known."""

import numpy as np
import pytest
import torch

from fer_models.metrics.classification import judge, spread, summary, training_metrics


def random_case(n: int = 600) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 7, (n,), generator=generator)
    logits = torch.randn(n, 7, generator=generator) + 2 * torch.nn.functional.one_hot(labels, 7)
    return logits.softmax(1), labels


def test_perfect_answers():
    labels = torch.arange(70) % 7
    found = judge(torch.nn.functional.one_hot(labels, 7).float(), labels)
    assert found["accuracy"] == found["f1_macro"] == found["balanced_accuracy"] == found["auroc"] == 1
    assert found["ece"] == pytest.approx(0) and found["accuracy_ci"] == [1, 1]
    assert all(row["f1"] == 1 and row["support"] == 10 for row in found["per_class"].values())


def test_always_the_same_answer():
    labels = torch.tensor([3] * 60 + [0] * 20 + [6] * 20)
    found = judge(torch.eye(7)[[3] * 100], labels)
    assert found["accuracy"] == pytest.approx(0.6)
    assert found["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found["f1_macro"] == pytest.approx(0.75 / 3)
    assert found["per_class"]["happy"] == {"precision": 0.6, "recall": 1.0, "f1": pytest.approx(0.75), "support": 60}
    assert found["auroc"] == pytest.approx(0.5)
    assert found["ece"] == pytest.approx(0.4)


def test_agrees_with_what_training_logs():
    probabilities, labels = random_case()
    logged = training_metrics(7)(probabilities, labels)
    found = judge(probabilities, labels)
    for key, value in logged.items():
        assert found[key] == pytest.approx(float(value), abs=1e-6)


def test_confusion_has_labels_in_rows():
    labels = torch.tensor([0, 0, 0, 2])
    found = judge(torch.eye(7)[[0, 1, 1, 2]], labels)
    assert found["confusion"][0][:3] == [1, 2, 0] and found["confusion"][2][2] == 1


def test_interval_agrees_with_the_binomial():
    probabilities, labels = random_case(2000)
    found = judge(probabilities, labels)
    error = np.sqrt(found["accuracy"] * (1 - found["accuracy"]) / 2000)
    low, high = found["accuracy_ci"]
    assert low == pytest.approx(found["accuracy"] - 1.96 * error, abs=0.003)
    assert high == pytest.approx(found["accuracy"] + 1.96 * error, abs=0.003)


def test_spread_of_three_seeds():
    """Student's t at 97.5% with two degrees of freedom is 4.303, as tables print it."""
    found = spread([0.70, 0.72, 0.74])
    assert (found["mean"], found["sd"]) == (pytest.approx(0.72), pytest.approx(0.02))
    assert found["ci"] == pytest.approx([0.72 - 4.303 * 0.02 / 3**0.5, 0.72 + 4.303 * 0.02 / 3**0.5], abs=1e-5)


def test_macro_averages_leave_out_what_never_occurs():
    confusion = torch.zeros(7, 7)
    confusion[0, 0], confusion[1, 1] = 5, 5
    assert summary(confusion)["f1_macro"] == 1


def test_one_emotion_alone_has_no_auroc():
    assert judge(torch.eye(7)[[3, 3]], torch.tensor([3, 3]))["auroc"] is None
