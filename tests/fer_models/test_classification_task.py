"""What a classifier learns from, beside the label."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from fer_models.tasks.classification import ClassificationTask
from fer_models.training.losses import soft_cross_entropy, soft_targets

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


def test_votes_are_learnt_beside_the_label_through_one_embedding(faces: torch.Tensor, monkeypatch: pytest.MonkeyPatch):
    votes = torch.randn(9, 8, generator=torch.Generator().manual_seed(1)).softmax(1)
    votes[4:] = 0  # nobody's votes say anything of these faces
    task = make(monkeypatch, ferplus_weight=0.3)
    seen: list[torch.Tensor] = []
    task.network.stem.register_forward_hook(lambda *call: seen.append(call[-1]))
    loss = task.training_step({"image": faces, "label": LABELS, "votes": votes}, 0)
    assert len(seen) == 1
    extra = F.kl_div(task.votes_head(task.network.embed(faces)).log_softmax(1)[:4], votes[:4], reduction="batchmean")
    extra = extra - (votes[:4] * votes[:4].log()).sum(1).mean()
    plain = soft_cross_entropy(task(faces), soft_targets(LABELS, 7, 0.1))
    assert torch.allclose(loss, plain + 0.3 * extra, atol=1e-6)
    nothing = task.training_step({"image": faces, "label": LABELS, "votes": torch.zeros(9, 8)}, 0)
    assert torch.allclose(nothing, plain)


@pytest.mark.parametrize("way", ["mixup", "cutmix"])
def test_votes_are_blended_with_the_labels(way: str, monkeypatch: pytest.MonkeyPatch):
    """Faces whose votes are as their labels: a blend that parted the two would tell."""
    task = make(monkeypatch, ferplus_weight=0.3, label_smoothing=0.0, **{way: 1.0})
    batch = {"image": torch.zeros(7, 1, 48, 48), "label": torch.arange(7), "votes": torch.eye(8)[:7]}
    _, blended = task._blend(batch["image"], task._targets(batch))
    assert torch.equal(blended[:, :7], blended[:, 7:14]) and (blended[:, :7].max(1).values < 1).any()
