"""Augmentation of training faces with Albumentations: the one file that imports it."""

import os
import random
import warnings
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_data.errors import UserError, check_range

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the internet for news when imported

import albumentations as A


@dataclass(frozen=True)
class Strength:
    """How much each transform may change a face. Zero turns a transform off.

    Attributes:
        hflip: Probability of mirroring left and right.
        vflip: Probability of mirroring top and bottom; off in all named strengths, faces stand upright.
        rotate: Largest rotation, degrees.
        scale: Largest change of size, as a share: 0.15 gives 0.85 to 1.15.
        shift: Largest shift, as a share of the side.
        noise: Largest standard deviation of Gaussian noise, as a share of the pixel range; in 30% of faces.
        brightness: Largest change of brightness, as a share of the pixel range.
        contrast: Largest change of contrast, as a share.
        gamma: Largest change of gamma, as a share: 0.2 gives 0.8 to 1.2; in 30% of faces.
        erase: Probability of a rectangle of noise over a part of the face.
    """

    hflip: float = 0.0
    vflip: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    noise: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        most = {"rotate": 180.0, "scale": 0.9, "gamma": 0.9}
        for field in fields(self):
            check_range(field.name, getattr(self, field.name), 0, most.get(field.name, 1.0))


STRENGTHS = {
    "none": Strength(),
    "flip": Strength(hflip=0.5),
    "light": Strength(hflip=0.5, rotate=10, scale=0.1, shift=0.05, brightness=0.1, contrast=0.1),
    "medium": Strength(
        hflip=0.5, rotate=15, scale=0.15, shift=0.1, noise=0.02, brightness=0.1, contrast=0.25, gamma=0.1, erase=0.25
    ),
    "strong": Strength(
        hflip=0.5, rotate=25, scale=0.25, shift=0.15, noise=0.06, brightness=0.3, contrast=0.3, gamma=0.3, erase=0.5
    ),
}  # fmt: skip


def strength(name: str, **changes: float | None) -> Strength:
    """Look up a named strength and change single values of it.

    Args:
        name: A key of ``STRENGTHS``.
        **changes: Values for fields of ``Strength``; None keeps the named strength's value.

    Raises:
        UserError: The name, a field or a value is wrong.
    """
    if name not in STRENGTHS:
        raise UserError(f"there is no augmentation {name!r}: choose one of {', '.join(STRENGTHS)}")
    unknown = changes.keys() - {field.name for field in fields(Strength)}
    if unknown:
        raise UserError(f"augmentation has no {', '.join(sorted(unknown))}; it has {', '.join(vars(Strength()))}")
    return replace(STRENGTHS[name], **{key: value for key, value in changes.items() if value is not None})


class Augment:
    """Change a face at random, in a way that a seed decides.

    Args:
        strength: How much each transform may change.
    """

    def __init__(self, strength: Strength) -> None:
        self.strength = strength
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a wrong argument only warns in Albumentations, and is then ignored
            self._compose = A.Compose(_transforms(strength))

    def __call__(self, image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """Augment one face, uint8 (H, W); the same seed gives the same change, in any process."""
        # set_random_seed would start every transform at the same number: what is erased would always be mirrored too.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        augmented: NDArray[np.uint8] = self._compose(image=image)["image"]
        return augmented


def _transforms(s: Strength) -> list[A.BasicTransform]:
    chain: list[tuple[bool, A.BasicTransform]] = [
        (s.hflip > 0, A.HorizontalFlip(p=s.hflip)),
        (s.vflip > 0, A.VerticalFlip(p=s.vflip)),
        (max(s.rotate, s.scale, s.shift) > 0, _affine(s)),
        (
            max(s.brightness, s.contrast) > 0,
            A.RandomBrightnessContrast((-s.brightness, s.brightness), (-s.contrast, s.contrast), p=1),
        ),
        (s.gamma > 0, A.RandomGamma((100 * (1 - s.gamma), 100 * (1 + s.gamma)), p=0.3)),
        (s.noise > 0, A.GaussNoise(std_range=(0, s.noise), p=0.3)),
        (s.erase > 0, _erase(s.erase)),
    ]
    return [transform for wanted, transform in chain if wanted]


def _affine(s: Strength) -> A.BasicTransform:
    # Beyond the edge the face is mirrored: a black border would tell the network how far the face was moved.
    return A.Affine(
        rotate=(-s.rotate, s.rotate),
        scale=(1 - s.scale, 1 + s.scale),
        translate_percent=(-s.shift, s.shift),
        border_mode=cv2.BORDER_REFLECT_101,
        p=1,
    )


def _erase(p: float) -> A.BasicTransform:
    """Random erasing (Zhong et al. 2017, https://arxiv.org/abs/1708.04896), one rectangle of 10 to 40% a side."""
    return A.CoarseDropout(
        num_holes_range=(1, 1),
        hole_height_range=(0.1, 0.4),
        hole_width_range=(0.1, 0.4),
        fill="random_uniform",
        p=p,
    )
