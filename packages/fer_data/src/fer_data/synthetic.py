"""Drawn faces with the seven expressions: for a first run without FER2013, for tests and as examples.

Positions on a face are in face units: the origin lies in the middle of the head, x points right, y points
down, and the chin of a resting face is at y = 1. Almost everything is a band: the area between two curves
over the same x.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_data.emotions import EMOTIONS
from fer_data.errors import DataError
from fer_data.table import SIZE, USAGES, FaceTable

Floats = NDArray[np.float64]
Pixels = NDArray[np.float32]

_OVERSAMPLING = 4
_T = np.linspace(-1, 1, 21)
"""The parameter along a feature: from the inner to the outer corner, or from the left to the right one."""
_ROUND = np.sqrt(1 - _T**2)
_ARCH = 1 - _T**2
_ANGLE = np.linspace(0, 2 * np.pi, 33)
_CIRCLE = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], axis=1)
_EYE_X, _EYE_Y, _EYE_WIDTH = 0.35, -0.12, 0.18


class Expression(NamedTuple):
    """How a face departs from a resting one, in face units; the comments name FACS action units."""

    brow_raise: float = 0.0  # whole brow up (AU 1+2) or, below 0, down (AU 4)
    brow_inner: float = 0.0  # inner ends further up (AU 1) or down (AU 4)
    brow_together: float = 0.0  # inner ends drawn together (AU 4)
    upper_lid: float = 0.0  # raised (AU 5) or lowered
    lower_lid: float = 0.0  # raised (AU 7)
    lid_droop: float = 0.0  # outer part of the upper lid hangs, 0 to 1
    cheek: float = 0.0  # cheeks up, fold from nose to mouth, 0 to 1 (AU 6)
    nose_wrinkle: float = 0.0  # 0 to 1 (AU 9)
    mouth_width: float = 0.0  # half of it: stretched (AU 20) or narrowed (AU 18)
    mouth_curve: float = 0.0  # corners up (AU 12) or down (AU 15)
    mouth_open: float = 0.0  # jaw dropped (AU 26)
    upper_lip: float = 0.0  # upper lip raised, more on one side (AU 10)
    lips: float = 0.0  # fuller or, below 0, pressed (AU 24)
    teeth: float = 0.0  # height of the teeth that show


_PEAKS = {
    "angry": Expression(
        brow_raise=-0.07, brow_inner=-0.13, brow_together=0.09, upper_lid=-0.005, lower_lid=0.03,
        nose_wrinkle=0.25, mouth_width=-0.03, mouth_curve=-0.04, lips=-0.035,
    ),
    "disgust": Expression(
        brow_raise=-0.06, brow_inner=-0.04, brow_together=0.03, upper_lid=-0.045, lower_lid=0.05, cheek=0.6,
        nose_wrinkle=1.0, mouth_curve=-0.05, mouth_open=0.04, upper_lip=0.11, teeth=0.06,
    ),
    "fear": Expression(
        brow_raise=0.10, brow_inner=0.09, brow_together=0.06, upper_lid=0.06, lower_lid=-0.01,
        mouth_width=0.09, mouth_curve=-0.06, mouth_open=0.11, lips=-0.01, teeth=0.05,
    ),
    "happy": Expression(
        brow_raise=0.02, upper_lid=-0.005, lower_lid=0.085, cheek=1.0,
        mouth_width=0.11, mouth_curve=0.16, mouth_open=0.10, teeth=0.08,
    ),
    "sad": Expression(
        brow_raise=-0.01, brow_inner=0.15, brow_together=0.05, upper_lid=-0.03, lid_droop=0.5,
        mouth_width=-0.02, mouth_curve=-0.12, lips=-0.01,
    ),
    "surprise": Expression(
        brow_raise=0.17, upper_lid=0.07, lower_lid=-0.025, mouth_width=-0.08, mouth_open=0.22,
    ),
    "neutral": Expression(),
}  # fmt: skip
_JITTER = Expression(
    brow_raise=0.02, brow_inner=0.02, brow_together=0.012, upper_lid=0.01, lower_lid=0.008, lid_droop=0.06,
    cheek=0.08, nose_wrinkle=0.05, mouth_width=0.015, mouth_curve=0.013, mouth_open=0.006, upper_lip=0.006,
    lips=0.008, teeth=0.006,
)  # fmt: skip
"""Standard deviations: two resting faces differ as well."""


class Person:
    """What somebody persons like, by chance: lengths in face units, tones in gray levels."""

    def __init__(self, rng: np.random.Generator) -> None:
        between = rng.uniform
        self.width = between(0.70, 0.84)
        self.jaw = between(0.06, 0.30)
        self.skin = between(105, 215)
        self.hair = self.skin * between(0.12, 0.75)
        self.bald = between() < 0.15
        self.long_hair = between() < 0.4 and not self.bald
        self.hairline = between(0.62, 0.82)
        self.volume = between(1.05, 1.25)
        self.parting = between(-0.3, 0.3)
        self.spikes = max(0.0, between(-0.03, 0.05))
        self.brow = between(0.03, 0.06)
        self.eye = between(0.9, 1.1)
        self.iris = between(25, 100)
        self.nose = between(0.12, 0.18)
        self.lips = between(0.045, 0.075)
        self.lip_tone = self.skin * between(0.66, 0.84)
        self.clothes = between(20, 220)
        self.glasses = between() < 0.15


class View:
    """How a head is held, lit and photographed, by chance."""

    def __init__(self, rng: np.random.Generator) -> None:
        between = rng.uniform
        self.scale = between(0.45, 0.54)
        self.shift = between(-0.04, 0.04, 2)
        self.tilt = math.radians(between(-10, 10))
        self.turn = between((-0.14, -0.05), (0.14, 0.05))
        self.light = between((-0.28, -0.28), (0.28, 0.08))
        self.background = between(15, 235)
        self.contrast = between(0.8, 1.15)
        self.blur = between(0.15, 0.5)
        self.noise = between(1, 6)
        self.mirrored = between() < 0.5


class Canvas:
    """A large gray picture that takes positions in face units."""

    def __init__(self, person: Person, view: View, size: int) -> None:
        self.person, self.view, self.size = person, view, size
        large = size * _OVERSAMPLING
        self.image = np.full((large, large), view.background, np.uint8)
        cos, sin = math.cos(view.tilt), math.sin(view.tilt)
        self.unit = view.scale * large
        self.rotation = self.unit * np.array([[cos, sin], [-sin, cos]])
        self.centre = (0.5 + view.shift) * large

    def fill(self, points: Floats, tone: float, depth: float = 1.0) -> None:
        """Fill a polygon.

        Args:
            points: (N, 2), in face units.
            tone: Gray level, 0 to 255.
            depth: How far in front of the head's axis it lies: a turn of the head moves it that much more.
        """
        cv2.fillPoly(self.image, [self._pixels(points, depth)], tone)

    def crease(self, x: Floats, y: Floats, strength: float, width: float = 0.025) -> None:
        """Draw a fold of skin: a line that is darker than the skin by ``strength``, 0 (none) to 1 (black)."""
        if strength > 0.03:
            tone = self.person.skin * max(0.0, 1 - strength)
            self.line(_curve(x, y), tone, width)

    def line(self, points: Floats, tone: float, width: float) -> None:
        """Draw an open line through points (N, 2) with a gray level and a width in face units."""
        thickness = max(1, round(width * self.unit))
        cv2.polylines(self.image, [self._pixels(points, 1.0)], False, tone, thickness)

    def _pixels(self, points: Floats, depth: float) -> NDArray[np.int32]:
        moved = (points + depth * self.view.turn) @ self.rotation + self.centre
        return np.rint(moved).astype(np.int32)

    def shrunk(self) -> tuple[Pixels, Pixels, Pixels]:
        """Give the picture at its final size, with the x and y of each pixel in face units: three (S, S)."""
        grid = (np.arange(self.size, dtype=np.float32) + 0.5) * _OVERSAMPLING
        right, down = grid - np.float32(self.centre[0]), (grid - np.float32(self.centre[1]))[:, None]
        (cos, sin), _ = self.rotation.astype(np.float32) / np.float32(self.unit**2)
        small = cv2.resize(self.image, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return small.astype(np.float32), cos * right + sin * down, cos * down - sin * right


def _curve(x: Floats, y: Floats | float) -> Floats:
    """Give the points (N, 2) of a curve over x (N,)."""
    points = np.empty((len(x), 2))
    points[:, 0], points[:, 1] = x, y
    return points


def _band(x: Floats, top: Floats | float, bottom: Floats | float) -> Floats:
    """Give the outline (2N, 2) of the area between two curves over x (N,)."""
    return np.concatenate([_curve(x, top), _curve(x, bottom)[::-1]])


def _draw_head(canvas: Canvas, face: Expression) -> None:
    """Draw what lies behind the face: hair, shoulders, neck, ears and the head itself."""
    person = canvas.person
    if person.long_hair:
        canvas.fill(_band(1.25 * person.width * _T, 0.1 - 1.2 * _ROUND, 2.0), person.hair * 0.8, depth=-0.5)
    canvas.fill(_band(2.2 * _T, 1.2 + 0.3 * _T**2, 3.0), person.clothes, depth=-0.5)
    canvas.fill(_band(0.45 * _T, 0.3, 1.2 + 0.15 * _ROUND), person.skin * 0.7, depth=-0.3)
    for side in (-1, 1):
        canvas.fill(_CIRCLE * (0.1, 0.2) + (side * person.width, 0.0), person.skin * 0.85, depth=-0.3)
    cos, down = _CIRCLE[:, 0], np.maximum(_CIRCLE[:, 1], 0)
    half = person.width * np.abs(cos) ** 0.85 * (1 - person.jaw * down**2)
    outline = _curve(np.sign(cos) * half, _CIRCLE[:, 1] * (1 + face.mouth_open * down))
    canvas.fill(outline, person.skin, depth=0.0)


def _draw_hair(canvas: Canvas) -> None:
    """Draw the hair over the forehead."""
    person, x = canvas.person, 1.06 * canvas.person.width * _T
    spikes = person.spikes * (-1.0) ** np.arange(len(_T))
    fringe = -person.hairline * _ROUND**0.8 + 0.15 * _T**4 + person.parting * _T * _ARCH + spikes
    canvas.fill(_band(x, -person.volume * _ROUND, fringe), person.hair, depth=0.0)


def _draw_eye(canvas: Canvas, face: Expression, side: int) -> None:
    """Draw an eye; ``side`` is -1 for the left one of the picture, 1 for the right one."""
    person, skin = canvas.person, canvas.person.skin
    x = side * (_EYE_X + _EYE_WIDTH * person.eye * _T)
    top = _EYE_Y - max(0.01, 0.08 + face.upper_lid) * person.eye * _ARCH**0.75 * (1 - face.lid_droop * _T)
    top += 0.06 * face.lid_droop * _T
    bottom = np.maximum(_EYE_Y + (0.05 - face.lower_lid) * person.eye * _ARCH, top + 0.012)
    canvas.fill(_band(x, top, bottom), 0.45 * skin + 125)
    for radius, tone, offset in ((0.088, person.iris, 0.0), (0.045, 8, 0.0), (0.02, 245, 0.03)):
        disc = _CIRCLE * radius + (side * _EYE_X + offset, _EYE_Y - 0.015 - offset)
        lids = [np.interp(disc[:, 0], x[::side], curve[::side]) for curve in (top, bottom)]
        canvas.fill(_curve(disc[:, 0], np.clip(disc[:, 1], *lids)), tone)
    canvas.fill(_band(x, top - 0.03 * _ROUND, top + 0.005), skin * 0.25)
    canvas.crease(x, top - 0.075, 0.2, 0.015)
    canvas.crease(x, bottom + 0.02, 0.15 + 4 * max(0.0, face.lower_lid), 0.015)


def _draw_brow(canvas: Canvas, face: Expression, side: int) -> None:
    """Draw an eyebrow; ``side`` as for the eye."""
    inner = (1 - _T) / 2
    x = side * (0.38 + 0.22 * _T - face.brow_together * inner)
    y = -0.33 - face.brow_raise - face.brow_inner * (inner - 0.25) - 0.05 * _ARCH
    half = canvas.person.brow * (1.1 - 0.5 * _T) * np.maximum(_ROUND, 0.3)
    canvas.fill(_band(x, y - half, y + half), min(canvas.person.hair, 0.55 * canvas.person.skin))


def _draw_nose(canvas: Canvas, face: Expression) -> None:
    """Draw the nose and the folds around it."""
    person, tip = canvas.person, 0.27 - 0.05 * face.nose_wrinkle
    for side in (-1, 1):
        canvas.fill(_CIRCLE * (0.035, 0.022) + (side * person.nose * 0.5, tip), person.skin * 0.4, depth=1.3)
        canvas.crease(side * (person.nose + 0.02 * _ROUND), tip - 0.04 + 0.05 * _T, 0.3)
        reach = (_T + 1) / 2
        fold = side * (person.nose + 0.06 + 0.2 * reach + 0.05 * _ARCH)
        canvas.crease(fold, tip - 0.06 + 0.3 * reach, 0.08 + 0.3 * max(face.cheek, 0.8 * face.nose_wrinkle))
        canvas.crease(side * (0.055 + 0.02 * _T), -0.3 + 0.1 * _T, 4 * face.brow_together)
    for y in (-0.13, -0.04):
        canvas.crease(0.09 * _T, y - 0.05 * _ARCH, 0.3 * face.nose_wrinkle)
    for y in (-0.62, -0.54):
        canvas.crease(0.35 * _T, y - 0.02 * _ARCH, 1.8 * face.brow_raise, 0.02)


def _draw_mouth(canvas: Canvas, face: Expression) -> None:
    """Draw the lips and what shows between them."""
    person = canvas.person
    x = (0.27 + face.mouth_width) * _T
    line = 0.55 + 0.25 * face.mouth_open - face.mouth_curve * (_T**2 - 0.4)
    opening = max(0.008, face.mouth_open) * _ROUND
    top = line - 0.6 * opening - face.upper_lip * np.exp(-((_T - 0.35) ** 2) / 0.25) * _ROUND
    bottom = line + opening
    full = max(0.012, person.lips + face.lips)
    bow = 1 - 0.3 * np.exp(-((_T / 0.15) ** 2))
    canvas.fill(_band(x, top - full * bow * _ARCH, bottom + 1.2 * full * _ARCH), person.lip_tone)
    canvas.fill(_band(x, top, bottom), 0.18 * person.skin)
    canvas.fill(_band(x, np.maximum(top, bottom - 0.4 * face.mouth_open), bottom), 0.4 * person.skin)
    canvas.fill(_band(x, top, np.minimum(bottom, top + max(0.0, face.teeth))), 0.35 * person.skin + 140)


def _draw_glasses(canvas: Canvas) -> None:
    """Draw round glasses."""
    for side in (-1, 1):
        canvas.line(_CIRCLE * (0.26, 0.22) + (side * _EYE_X, _EYE_Y), 30, 0.03)
    canvas.line(np.array([[-0.09, _EYE_Y - 0.03], [0.09, _EYE_Y - 0.03]]), 30, 0.03)


def _shading(canvas: Canvas, face: Expression, x: Pixels, y: Pixels) -> Pixels:
    """Give the light that falls on each pixel, about 1: a lit sphere with soft bumps and hollows.

    Args:
        canvas: The picture, for its person and its light.
        face: The expression.
        x: (S, S), each pixel's position in face units.
        y: (S, S).
    """
    (turn_x, turn_y), (light_x, light_y) = canvas.view.turn.tolist(), canvas.view.light.tolist()
    across = x / canvas.person.width
    square = across**2 + y**2
    sphere = (light_x * across + light_y * y) / np.sqrt(np.maximum(square, 1))
    shade: Pixels = 1 + sphere - 0.16 * np.minimum(square, 1) ** 2
    bumps = [
        (0.1, -0.9, 0.4, 0.12, 0.2),  # crown
        (0.0, 0.02, 0.06, 0.2, 0.1),  # ridge of the nose
        (0.0, 0.19, 0.08, 0.07, 0.1),  # its tip
        (0.0, 0.33, 0.16, 0.05, -0.16),  # its shadow
        (0.0, 0.76 + face.mouth_open, 0.18, 0.05, -0.12),  # hollow under the lower lip
        *((side * 0.33, -0.2, 0.2, 0.12, -0.14) for side in (-1, 1)),  # eye sockets
        *((side * 0.4, 0.2, 0.15, 0.11, 0.05 + 0.12 * face.cheek) for side in (-1, 1)),  # cheeks
    ]
    for bump_x, bump_y, wide, high, amount in bumps:
        right, down = (x - bump_x - turn_x) / wide, (y - bump_y - turn_y) / high
        shade += amount * np.exp(-(right**2) - down**2)
    return shade


def draw_face(emotion: int, rng: np.random.Generator, size: int = SIZE) -> NDArray[np.uint8]:
    """Draw the face of a random person who shows an emotion, more or less strongly.

    The same state of ``rng`` gives the same person with any emotion, and at any size but for the noise.

    Args:
        emotion: Index into ``EMOTIONS``, 0 to 6.
        rng: Where all chance comes from.
        size: Height and width in pixels, at least 1.

    Returns:
        uint8 (size, size), gray.

    Raises:
        DataError: If there is no such emotion.
    """
    if not 0 <= emotion < len(EMOTIONS):
        raise DataError(f"emotion is {emotion}: give 0 to {len(EMOTIONS) - 1}, an index into {EMOTIONS}.")
    peak = np.array(_PEAKS[EMOTIONS[emotion]])
    face = Expression(*(rng.uniform(0.65, 1.15) * peak + rng.normal(0, _JITTER)).tolist())
    person, view = Person(rng), View(rng)
    canvas = Canvas(person, view, size)
    _draw_head(canvas, face)
    _draw_nose(canvas, face)
    if not person.bald:
        _draw_hair(canvas)
    for side in (-1, 1):
        _draw_eye(canvas, face, side)
        _draw_brow(canvas, face, side)
    _draw_mouth(canvas, face)
    if person.glasses:
        _draw_glasses(canvas)
    image, x, y = canvas.shrunk()
    image *= _shading(canvas, face, x, y)
    image = cv2.GaussianBlur(image, (0, 0), view.blur * size / SIZE).astype(np.float32)
    image = 128 + view.contrast * (image - 128) + view.noise * rng.standard_normal(image.shape, np.float32)
    return np.clip(image[:, ::-1] if view.mirrored else image, 0, 255).astype(np.uint8)


def synthetic_table(n: int = 7000, seed: int = 0) -> FaceTable:
    """Draw a small stand-in for FER2013: balanced, shuffled, the same bytes for the same ``n`` and ``seed``.

    Args:
        n: Number of Training faces, at least 7; PublicTest and PrivateTest get an eighth each, at least 7.
        seed: Any whole number from 0 on.

    Raises:
        DataError: If ``n`` doesn't suffice for one face of each emotion.
    """
    if n < len(EMOTIONS):
        raise DataError(f"n is {n}: give at least {len(EMOTIONS)}, one synthetic face for each emotion.")
    rng = np.random.default_rng(seed)
    counts = (n, *[max(len(EMOTIONS), n // 8)] * (len(USAGES) - 1))
    emotions = np.arange(len(EMOTIONS), dtype=np.uint8)
    labels = np.concatenate([rng.permutation(np.resize(emotions, count)) for count in counts])
    return FaceTable(
        images=np.stack([draw_face(int(label), rng) for label in labels]),
        labels=labels,
        usage=np.repeat(np.arange(len(USAGES), dtype=np.uint8), counts),
        notes=(f"These {len(labels)} faces are drawn by a program: they are no photographs.",),
    )
