"""Losses against torch's own and against sums done by hand."""

import pytest
import torch
import torch.nn.functional as F

from fer_models.training.losses import adjust_logits, cutmix, mixup, soft_cross_entropy, soft_targets

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


def test_cutmix_blends_targets_by_the_pasted_area():
    torch.manual_seed(1)
    images = torch.arange(5.0).reshape(5, 1, 1, 1).expand(5, 1, 20, 20)
    pasted, targets = cutmix(images, soft_targets(torch.arange(5), 7), alpha=1.0)
    for k in range(5):
        own = (pasted[k] == k).float().mean()
        assert 0 < own < 1 and targets[k, k] == pytest.approx(float(own), abs=1e-6)
    assert cutmix(images, targets, 0)[0] is images


def test_logit_adjustment_favours_the_rare_in_training():
    counts = torch.tensor([1.0, 3.0])
    shifted = adjust_logits(torch.zeros(1, 2), counts, tau=1.0)
    assert torch.allclose(shifted.softmax(1), torch.tensor([[0.25, 0.75]]))
    assert torch.equal(adjust_logits(LOGITS[:, :2], counts, 0.0), LOGITS[:, :2])
