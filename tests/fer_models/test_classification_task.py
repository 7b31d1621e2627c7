"""What a classifier learns from, beside the label."""

from typing import Any

import pytest
import torch

from fer_models.losses import soft_cross_entropy, soft_targets
from fer_models.tasks.classification import ClassificationTask

LABELS = torch.arange(9) % 7


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.randn(9, 1, 48, 48, generator=torch.Generator().manual_seed(0))


def make(monkeypatch: pytest.MonkeyPatch, **options: Any) -> ClassificationTask:
    """Make a task that can take a step by itself: no trainer that logs, no dropout that differs."""
    torch.manual_seed(0)
    task = ClassificationTask("cnn", {"widths": [4, 8, 8, 8]}, **options).eval()
    monkeypatch.setattr(task, "log_dict", lambda *args, **kwargs: None)
    return task


def test_soft_labels_take_their_share_of_the_target(faces: torch.Tensor, monkeypatch: pytest.MonkeyPatch):
    soft = torch.randn(9, 7, generator=torch.Generator().manual_seed(1)).softmax(1)
    task = make(monkeypatch, label_smoothing=0.1, soft_label_weight=0.3)
    loss = task.training_step({"image": faces, "label": LABELS, "soft_label": soft}, 0)
    expected = soft_cross_entropy(task(faces), 0.7 * soft_targets(LABELS, 7, 0.1) + 0.3 * soft)
    assert torch.allclose(loss, expected)
    without = task.training_step({"image": faces, "label": LABELS}, 0)
    assert torch.allclose(without, soft_cross_entropy(task(faces), soft_targets(LABELS, 7, 0.1)))
    assert not torch.allclose(loss, without)
