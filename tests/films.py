"""Films for tests, made of photos."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

import photos

Picture = NDArray[np.uint8]

FACE = 120
"""Side of the astronaut's head in ``scene``, in pixels; MTCNN's box is about 50 by 63 of it."""


def head(side: int = FACE) -> Picture:
    """The astronaut's head, uint8 (side, side, 3)."""
    return cv2.resize(photos.astronaut()[20:220, 120:320], (side, side), interpolation=cv2.INTER_AREA)


def other_head(side: int = FACE) -> Picture:
    """The head of somebody else, uint8 (side, side, 3)."""
    gray = cv2.resize(photos.small_faces()[3], (side // 2, side // 2), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.pad(gray, side // 4, constant_values=110)[..., None], 3, 2)


def scene(*heads: tuple[Picture, float, float], size: tuple[int, int] = (320, 240)) -> Picture:
    """Set heads at (x, y) of their upper left corners, also partly or wholly outside, before a wall of stripes."""
    width, height = size
    y, x = np.indices((height, width))
    wall = np.repeat((90 + 20 * ((x + y) // 30 % 2)).astype(np.uint8)[..., None], 3, 2)
    for picture, left, top in heads:
        move = np.float32([[1, 0, left], [0, 1, top]])
        wall = cv2.warpAffine(picture, move, size, wall, borderMode=cv2.BORDER_TRANSPARENT)
    return wall


def walk(count: int, step: float = 2.0, start: float = 10.0) -> list[Picture]:
    """A head that moves to the right, ``step`` pixels a frame."""
    return [scene((head(), start + step * i, 60.0)) for i in range(count)]


def write(
    path: Path,
    frames: Iterable[Picture],
    *,
    fps: int = 25,
    codec: str = "libx264",
    rotation: int = 0,
    sound: float = 0.0,
    **options: str,
) -> Path:
    """Write a film; ``rotation`` in degrees goes into its metadata, ``sound`` is so many seconds of silence."""
    with av.open(str(path), "w", options=options) as film:
        pictures = None
        speech = film.add_stream("aac", rate=8000, layout="mono") if sound else None
        for frame in frames:
            if pictures is None:
                pictures = film.add_stream(codec, rate=fps)
                pictures.width, pictures.height, pictures.pix_fmt = frame.shape[1], frame.shape[0], "yuv420p"
                if rotation:
                    pictures.set_display_rotation(rotation)
            film.mux(pictures.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if pictures is not None:
            film.mux(pictures.encode(None))
        for i in range(round(sound * 8000 / 1024)):
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            quiet.sample_rate, quiet.pts, quiet.time_base = 8000, 1024 * i, Fraction(1, 8000)
            film.mux(speech.encode(quiet))
        if speech is not None:
            film.mux(speech.encode(None))
    return path


def read(path: Path) -> tuple[list[Picture], list[float], dict[str, str]]:
    """Decode a film with bare PyAV: its frames, their times, and its codec and pixel format."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        about = {
            "codec": stream.codec_context.name,
            "pix_fmt": stream.codec_context.pix_fmt,
            "sound": len(film.streams.audio),
        }
        decoded = list(film.decode(stream))
    return [frame.to_ndarray(format="rgb24") for frame in decoded], [frame.time for frame in decoded], about
