"""Augmentation that gradients pass through, of real and generated faces alike (DiffAugment).

Zhao et al. 2020 (https://arxiv.org/abs/2006.10738): the discriminator never sees a face as it is, so that it can't
learn the few real ones by heart, and the generator learns through the same transforms.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def diff_augment(images: Tensor) -> Tensor:
    """Change brightness and contrast, shift, and cut a square out of each face at random.

    Args:
        images: (B, C, S, S), in [-1, 1].

    Returns:
        The same shape; brightness may leave the range.
    """
    return cut_out(shift(contrast(brighten(images))))


def brighten(images: Tensor, most: float = 0.5) -> Tensor:
    """Add a number in [-most, most] to each face."""
    return images + (_uniform(images) * 2 - 1) * most


def contrast(images: Tensor, most: float = 0.5) -> Tensor:
    """Stretch each face about its mean by 1-most to 1+most."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (1 + (_uniform(images) * 2 - 1) * most)


def shift(images: Tensor, most: float = 0.125) -> Tensor:
    """Move each face by up to ``most`` of the side, in both directions; what comes in is black."""
    n, _, side, _ = images.shape
    reach = round(side * most)
    padded = F.pad(images, (reach, reach, reach, reach), value=-1.0)
    rows = torch.arange(side, device=images.device) + _integers(n, 2 * reach + 1, images)
    columns = torch.arange(side, device=images.device) + _integers(n, 2 * reach + 1, images)
    batch = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cut_out(images: Tensor, share: float = 0.4) -> Tensor:
    """Make a square of each face gray, ``share`` of the side long."""
    n, _, side, _ = images.shape
    length = round(side * share)
    pixels = torch.arange(side, device=images.device)
    low = [_integers(n, side + 1, images) - length // 2 for _ in range(2)]
    inside = [(pixels >= edge) & (pixels < edge + length) for edge in low]
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(hole, 0.0)


def _uniform(images: Tensor) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype)


def _integers(n: int, end: int, images: Tensor) -> Tensor:
    return torch.randint(end, (n, 1), device=images.device)
