"""Losses as pure functions of tensors."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def soft_targets(labels: Tensor, num_classes: int, smoothing: float = 0.0) -> Tensor:
    """Make target distributions of labels, with label smoothing (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567).

    Args:
        labels: (B,) int64.
        num_classes: K.
        smoothing: Probability spread evenly over all classes, 0 to 1.

    Returns:
        (B, K), rows sum to 1.
    """
    # F.one_hot reads the smallest and the largest label, for which a device has to be waited for.
    return torch.eye(num_classes, device=labels.device)[labels] * (1 - smoothing) + smoothing / num_classes


def soft_cross_entropy(logits: Tensor, targets: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Cross-entropy against target distributions, averaged over the batch.

    Args:
        logits: (B, K).
        targets: (B, K), rows sum to 1.
        class_weights: (K,), how much a face of each class counts; None counts all alike.
    """
    # Half-precision logits lose small differences in log-softmax.
    per_class = -targets * F.log_softmax(logits.float(), dim=1)
    if class_weights is None:
        return per_class.sum(1).mean()
    return (per_class * class_weights).sum() / (targets * class_weights).sum()


def votes_cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross-entropy against shares of votes, averaged over the faces that have any.

    It is the Kullback-Leibler divergence but for the votes' own entropy, which no weight changes.

    Args:
        logits: (B, K).
        shares: (B, K), rows sum to 1, or to 0 where there are no usable votes.
    """
    return -(shares * F.log_softmax(logits.float(), dim=1)).sum() / shares.sum().clamp_min(1e-6)


def mixup(images: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Blend each face and its target with another's (Zhang et al. 2018, https://arxiv.org/abs/1710.09412).

    Args:
        images: (B, C, S, S).
        targets: (B, K), rows sum to 1.
        alpha: Of the Beta distribution that gives the batch's blend; 0 blends nothing.
    """
    if alpha == 0:
        return images, targets
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(images), device=images.device)
    return images.lerp(images[other], 1 - share), targets.lerp(targets[other], 1 - share)


def cutmix(images: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Paste a rectangle of another face into each (Yun et al. 2019, https://arxiv.org/abs/1905.04899).

    The rectangle is the same for the whole batch; targets are blended by its area.

    Args:
        images: (B, C, S, S).
        targets: (B, K), rows sum to 1.
        alpha: Of the Beta distribution that gives the area that is kept; 0 pastes nothing.
    """
    if alpha == 0:
        return images, targets
    side = images.shape[-1]
    kept = float(torch.distributions.Beta(alpha, alpha).sample())
    cut = round(side * (1 - kept) ** 0.5)
    y, x = (int(torch.randint(0, side - cut + 1, ())) for _ in range(2))
    other = torch.randperm(len(images), device=images.device)
    pasted = images.clone()
    pasted[..., y : y + cut, x : x + cut] = images[other, :, y : y + cut, x : x + cut]
    return pasted, targets.lerp(targets[other], cut**2 / side**2)


def adjust_logits(logits: Tensor, class_counts: Tensor, tau: float) -> Tensor:
    """Shift logits by the log of how frequent each class is (Menon et al. 2021, https://arxiv.org/abs/2007.07314).

    Trained with the shift and used without it, a network answers as if all classes were equally frequent (tau 1).

    Args:
        logits: (B, K).
        class_counts: (K,), faces of each class in training.
        tau: How much; 0 shifts nothing.
    """
    return logits + tau * (class_counts / class_counts.sum()).clamp_min(1e-12).log()


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of a discriminator (Lim & Ye 2017, https://arxiv.org/abs/1705.02894).

    Args:
        real: Logits of real faces, (B,).
        fake: Logits of generated faces, (B,).
    """
    return F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """Loss of the generator beside ``discriminator_hinge``; ``fake``: logits of its faces, (B,)."""
    return -fake.float().mean()


def discriminator_non_saturating(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy of a discriminator (Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661).

    Args:
        real: Logits of real faces, (B,).
        fake: Logits of generated faces, (B,).
    """
    return F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean()


def generator_non_saturating(fake: Tensor) -> Tensor:
    """Loss of the generator beside ``discriminator_non_saturating``; ``fake``: logits of its faces, (B,)."""
    return F.softplus(-fake.float()).mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """R1: the squared slope of the discriminator at real faces (Mescheder et al. 2018, https://arxiv.org/abs/1801.04406).

    Args:
        logits: Of the real faces, (B,).
        images: The faces, (B, C, S, S), with ``requires_grad``.
    """
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, variance) from N(0, 1), in nats, summed over dimensions: (B,).

    Args:
        mean: (B, D).
        log_variance: (B, D).
    """
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def gaussian_nll(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Negative log-likelihood of a batch under the Gaussian noise that fits it best, in nats a face.

    The noise has one variance for all pixels, which is the mean squared error itself (sigma-VAE, Rybkin et al. 2021,
    https://arxiv.org/abs/2006.13202): reconstruction and divergence are balanced without a weight to tune.

    Args:
        image: (B, C, S, S).
        reconstruction: The same shape.
    """
    error = (image.float() - reconstruction.float()).square().mean().clamp_min(1e-6)
    return 0.5 * image[0].numel() * (error.log() + 1 + math.log(2 * math.pi))
