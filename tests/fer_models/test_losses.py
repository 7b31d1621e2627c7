"""Losses against torch's own and against sums done by hand."""

import pytest
import torch
import torch.nn.functional as F

from fer_models.losses import mixup, soft_cross_entropy, soft_targets

LOGITS, LABELS = torch.randn(9, 7, generator=torch.Generator().manual_seed(0)), torch.arange(9) % 7


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_soft_cross_entropy_agrees_with_torch(smoothing: float, weighted: bool):
    weights = torch.linspace(0.5, 2, 7) if weighted else None
    ours = soft_cross_entropy(LOGITS, soft_targets(LABELS, 7, smoothing), weights)
    if weighted and smoothing:
        # torch divides by the weights of the labels, we by the weights of the smoothed targets.
        theirs = F.cross_entropy(LOGITS, LABELS, weights, label_smoothing=smoothing)
        theirs = theirs * weights[LABELS].sum() / (soft_targets(LABELS, 7, smoothing) * weights).sum()
    else:
        theirs = F.cross_entropy(LOGITS, LABELS, weights, label_smoothing=smoothing)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_mixup_blends_images_and_targets_alike():
    torch.manual_seed(0)
    images = F.one_hot(torch.arange(7), 7).float().reshape(7, 1, 1, 7)
    mixed, targets = mixup(images, soft_targets(torch.arange(7), 7), alpha=1.0)
    assert torch.allclose(mixed.reshape(7, 7), targets)
    assert torch.allclose(targets.sum(1), torch.ones(7)) and (targets.max(1).values < 1).any()


def test_mixup_zero_is_off():
    images, targets = torch.randn(3, 1, 4, 4), soft_targets(torch.arange(3), 7)
    assert mixup(images, targets, 0)[0] is images
