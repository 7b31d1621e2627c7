"""Augmentation of whole batches with torch, on whatever device they are; as strong as ``augment`` one by one."""

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_data.preprocess import Preprocess

if TYPE_CHECKING:
    from fer_data.augment import Strength  # its file imports Albumentations, which this one does without


class BatchAugment:
    """Change each face of a batch at random, in a way that a seed and the device's kind decide.

    It does what ``Augment`` does, in the same order and from the same distributions, with other random numbers. Nothing
    in it makes a GPU wait for the host.

    Args:
        strength: How much each transform may change.
    """

    def __init__(self, strength: "Strength") -> None:
        self.strength = strength

    def __call__(self, images: Tensor, seed: int) -> Tensor:
        """Augment faces.

        Args:
            images: uint8 (B, S, S).
            seed: 0 to 2**63 - 1.

        Returns:
            float32 (B, S, S), in [0, 1].
        """
        s, draw = self.strength, Draw(images, seed)
        faces = images.float() / 255
        for axis, p in ((2, s.hflip), (1, s.vflip)):
            if p:
                faces = torch.where(draw.chance(p), faces.flip(axis), faces)
        if max(s.rotate, s.scale, s.shift):
            faces = _move(faces, s, draw)
        if max(s.brightness, s.contrast):
            contrast, brightness = draw.uniform(1 - s.contrast, 1 + s.contrast), draw.around(s.brightness)
            faces = (faces * contrast + brightness).clamp(0, 1)
        if s.gamma:
            faces = torch.where(draw.chance(0.3), faces ** draw.uniform(1 - s.gamma, 1 + s.gamma), faces)
        if s.noise:
            noisy = faces + draw.uniform(0, s.noise) * draw.normal(faces)
            faces = torch.where(draw.chance(0.3), noisy.clamp(0, 1), faces)
        if s.erase:
            faces = torch.where(_rectangles(faces.shape[1], draw) & draw.chance(s.erase), draw.uniform(0, 1), faces)
        return faces


class Draw:
    """Random numbers, one for each face, (B, 1, 1).

    Args:
        images: (B, S, S): how many, and where.
        seed: Decides them.
    """

    def __init__(self, images: Tensor, seed: int) -> None:
        self.device, self.shape = images.device, (len(images), 1, 1)
        self.generator = torch.Generator(images.device).manual_seed(seed)

    def uniform(self, low: float, high: float) -> Tensor:
        """Draw from ``low`` to ``high``."""
        return low + (high - low) * torch.rand(self.shape, generator=self.generator, device=self.device)

    def around(self, most: float) -> Tensor:
        """Draw from ``-most`` to ``most``."""
        return self.uniform(-most, most)

    def chance(self, p: float) -> Tensor:
        """Say yes with probability ``p``."""
        return self.uniform(0, 1) < p

    def normal(self, like: Tensor) -> Tensor:
        """Draw a standard normal number for each pixel."""
        return torch.randn(like.shape, generator=self.generator, device=self.device)


def _move(faces: Tensor, s: "Strength", draw: Draw) -> Tensor:
    """Stretch each axis, rotate, then shift by whole pixels; beyond the edge the face is mirrored."""
    side = faces.shape[1]
    angle = draw.around(math.radians(s.rotate))
    stretch = torch.cat([draw.uniform(1 - s.scale, 1 + s.scale), draw.uniform(1 - s.scale, 1 + s.scale)], 1)
    shift = torch.cat([draw.around(s.shift), draw.around(s.shift)], 1).mul(side).trunc() * 2 / (side - 1)
    # torch asks where a pixel comes from, so this is the way back: undo shift, rotation, stretch.
    cos, sin = angle.cos(), angle.sin()
    back = torch.cat([torch.cat([cos, -sin], 2), torch.cat([sin, cos], 2)], 1) / stretch
    grid = F.affine_grid(torch.cat([back, -back @ shift], 2), [len(faces), 1, side, side], align_corners=True)
    return F.grid_sample(faces[:, None], grid, padding_mode="reflection", align_corners=True)[:, 0]


def _rectangles(side: int, draw: Draw) -> Tensor:
    """Mark a rectangle of 10 to 40% a side in each face, bool (B, S, S)."""
    pixels = torch.arange(side, device=draw.device)

    def stripe() -> Tensor:
        length = (draw.uniform(0.1, 0.4) * side).floor()
        start = (draw.uniform(0, 1) * (side - length + 1)).floor()
        return (pixels >= start) & (pixels < start + length)

    return stripe().mT & stripe()


def as_input(faces: Tensor, preprocess: Preprocess) -> Tensor:
    """Make a network's input of faces, as ``Preprocess`` does one by one.

    Args:
        faces: float32 (B, S, S), in [0, 1], of the network's size.
        preprocess: The network's.

    Returns:
        float32 (B, C, S, S).
    """
    return torch.stack([(faces - m) / s for m, s in zip(preprocess.mean, preprocess.std, strict=True)], 1)
