"""Faces set into larger scenes at places that are known: what detection and cropping cost can be measured on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_data.faces import Face, overlap
from fer_data.images import to_gray

Image = NDArray[np.uint8]
Surround = Literal["bare", "soft", "continued"]

SURROUNDS: dict[Surround, str] = {
    "bare": "the face's square as it is, with hard edges",
    "soft": "its outer eighth fades into the background",
    "continued": "its edges go on outwards, in an oval that fades into the background, where hair and chin would be",
}
"""What is around a face that is set into a scene: FER2013's crops end at forehead, cheeks and chin."""

SIZE = (640, 480)
"""Width and height of a scene."""

SIDES, TILT, BRIGHTNESS, TINT = (60, 300), 20.0, (0.6, 1.3), 0.1
"""Of what is drawn at random: sides in pixels, both included; degrees to either side; gain; how far a channel's gain
departs from it."""

FOUND = 0.3
"""By how much a found box must overlap the known one (intersection over union) to count as its face. Some of FER2013's
squares show a head with its hair, where a box tight around the face covers less than half of them."""


@dataclass(frozen=True)
class Setting:
    """Where and how a face is shown.

    Attributes:
        side: Of the face's square, in pixels.
        centre: Of the square, (x, y) in pixels.
        tilt: In degrees, positive when the head leans to the picture's right.
        light: What red, green and blue of the whole scene are multiplied by.
        gray: Whether the scene is gray; otherwise it has its background's colours.
    """

    side: int
    centre: tuple[float, float]
    tilt: float
    light: tuple[float, float, float]
    gray: bool

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The face's square, not turned: left, top, right, bottom in pixels."""
        (x, y), half = self.centre, self.side / 2
        return x - half, y - half, x + half, y + half


def random_setting(rng: np.random.Generator) -> Setting:
    """Draw a setting evenly from the ranges above, half of them gray; the turned square lies within the scene."""
    side, tilt = int(rng.integers(SIDES[0], SIDES[1], endpoint=True)), float(rng.uniform(-TILT, TILT))
    angle = np.deg2rad(abs(tilt))
    reach = side / 2 * (np.cos(angle) + np.sin(angle))
    x, y = (float(rng.uniform(reach, length - reach)) for length in SIZE)
    red, green, blue = (float(gain) for gain in rng.uniform(*BRIGHTNESS) * rng.uniform(1 - TINT, 1 + TINT, 3))
    return Setting(side, (x, y), tilt, (red, green, blue), bool(rng.random() < 0.5))


def random_background(rng: np.random.Generator, photos: Sequence[Image] = ()) -> Image:
    """Draw coloured clouds, or cut a random part out of a photograph, as often as not where there are any.

    Args:
        rng: Draws.
        photos: uint8 (H, W) or (H, W, 3) RGB, without faces.

    Returns:
        uint8 (480, 640, 3).
    """
    clouds = (rng.integers(55, 201, (5, 7, 1)) + rng.integers(-30, 31, (5, 7, 3))).astype(np.uint8)
    if photos and rng.random() < 0.5:
        photo = photos[int(rng.integers(len(photos)))]
        height = int(photo.shape[0] * rng.uniform(0.5, 1))
        width = min(photo.shape[1], round(height * SIZE[0] / SIZE[1]))
        y, x = (int(rng.integers(0, a - b + 1)) for a, b in zip(photo.shape, (height, width), strict=False))
        clouds = photo[y : y + height, x : x + width]
        if clouds.ndim == 2:
            clouds = np.repeat(clouds[..., None], 3, axis=2)
    return np.asarray(cv2.resize(clouds, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


def make_scene(face: Image, setting: Setting, background: Image, surround: Surround = "bare") -> Image:
    """Set a face into a background.

    Args:
        face: uint8 (S, S), gray.
        setting: Where and how.
        background: uint8 (H, W, 3).
        surround: Key of ``SURROUNDS``.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    border = face.shape[0] // 2 if surround == "continued" else 0
    patch = np.pad(face, border, mode="edge")
    if border:  # stripes of the edge's pixels would be no hair
        blurred = np.asarray(cv2.GaussianBlur(patch, (0, 0), face.shape[0] / 12), np.uint8)
        blurred[border:-border, border:-border] = face
        patch = blurred
    scale, half = setting.side / face.shape[0], (patch.shape[0] - 1) / 2
    # OpenCV turns anticlockwise; a head that leans to the right is turned clockwise.
    turn = cv2.getRotationMatrix2D((half, half), -setting.tilt, scale)
    turn[:, 2] += np.array(setting.centre) - 0.5 - half
    size = background.shape[1::-1]
    pasted = cv2.warpAffine(patch, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(_mask(patch.shape[0], surround), turn, size, flags=cv2.INTER_LINEAR)[..., None]
    scene = ((1 - share) * background + share * pasted[..., None]) * np.array(setting.light)
    pixels = scene.round().clip(0, 255).astype(np.uint8)
    return np.repeat(to_gray(pixels)[..., None], 3, axis=2) if setting.gray else pixels


def _mask(side: int, surround: Surround) -> NDArray[np.float32]:
    """Give how much of the face is seen at each pixel of its patch, 0..1."""
    if surround == "bare":
        return np.ones((side, side), np.float32)
    away = np.abs(np.arange(side) + 0.5 - side / 2) / (side / 2)  # 0 in the middle, 1 at the edge
    if surround == "soft":
        ramp = ((1 - away) / 0.25).clip(0, 1)
        return np.asarray(np.minimum(ramp[:, None], ramp[None]), np.float32)
    # Of the doubled patch the face's corners are at 0.71: an oval of 0.75 by 0.9, faded out over the last tenth.
    radius = np.hypot(away[None] / 0.8, away[:, None] / 0.95)
    return np.asarray(((1 - radius) / 0.12).clip(0, 1), np.float32)


def best_match(faces: Sequence[Face], box: Sequence[float]) -> Face | None:
    """Give the found face that overlaps a box (left, top, right, bottom in pixels) most, if by ``FOUND``."""
    best = max(faces, key=lambda face: overlap(face.box, box), default=None)
    return best if best is not None and overlap(best.box, box) >= FOUND else None
