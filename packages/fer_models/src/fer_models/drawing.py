"""Boxes and emotions drawn on pictures; faces in rows, and as an animation."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_data.emotions import COLOURS, TEXT_COLOURS
from fer_models.results import FacePrediction


def annotate(image: NDArray[np.uint8], predictions: Sequence[FacePrediction]) -> bytes:
    """Draw each face's box and likeliest emotion on a copy of a picture, as ``draw`` does.

    Returns:
        The bytes of a PNG file, without metadata of the original.
    """
    return png(draw(image, predictions))


def png(image: NDArray[np.uint8]) -> bytes:
    """Encode a picture, uint8 (H, W) or (H, W, 3) RGB, as the bytes of a PNG file."""
    stored = np.ascontiguousarray(image[..., ::-1] if image.ndim == 3 else image)
    encoded: NDArray[np.uint8] = cv2.imencode(".png", stored)[1]
    return encoded.tobytes()


def tile(faces: NDArray[np.uint8], columns: int, gap: int = 2) -> NDArray[np.uint8]:
    """Lay faces out in rows.

    Args:
        faces: uint8 (N, H, W).
        columns: Faces in a row; the last row may have fewer.
        gap: White pixels between faces.

    Returns:
        uint8 (height, width).
    """
    n, height, width = faces.shape
    rows = -(-n // columns)
    blank = np.full((rows * columns, height + gap, width + gap), 255, np.uint8)
    blank[:n, :height, :width] = faces
    table = blank.reshape(rows, columns, height + gap, width + gap).swapaxes(1, 2)
    picture: NDArray[np.uint8] = table.reshape(rows * (height + gap), -1)[:-gap, :-gap]
    return picture


def draw(image: NDArray[np.uint8], predictions: Sequence[FacePrediction]) -> NDArray[np.uint8]:
    """Draw each face's box, the number of its track and its likeliest emotion on a copy of a picture.

    Args:
        image: uint8 (H, W, 3), RGB, or (H, W), gray.
        predictions: Of the faces in it.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    canvas = np.array(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image, np.uint8, order="C")
    unit = max(image.shape[:2]) / 640
    for prediction in predictions:
        _draw_face(canvas, prediction, unit)
    return canvas


def _draw_face(canvas: NDArray[np.uint8], prediction: FacePrediction, unit: float) -> None:
    colour, ink = (tuple(bytes.fromhex(table[prediction.emotion][1:])) for table in (COLOURS, TEXT_COLOURS))
    x1, y1, x2, y2 = (round(x) for x in prediction.face.box)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, max(1, round(2 * unit)))
    number = "" if prediction.track is None else f"{prediction.track}: "
    text = f"{number}{prediction.emotion} {prediction.confidence:.2f}"
    font, scale, thickness = cv2.FONT_HERSHEY_SIMPLEX, 0.6 * max(unit, 0.8), max(1, round(unit))
    (width, height), below = cv2.getTextSize(text, font, scale, thickness)
    x = max(0, min(x1, canvas.shape[1] - width))
    y = y1 if y1 > height + below else min(y2 + height + below, canvas.shape[0])
    cv2.rectangle(canvas, (x, y - height - below), (x + width, y), colour, -1)
    cv2.putText(canvas, text, (x, y - below), font, scale, ink, thickness, cv2.LINE_AA)


def enlarge(image: NDArray[np.uint8], times: int = 4) -> NDArray[np.uint8]:
    """Repeat each pixel, so that small faces are seen."""
    return image.repeat(times, axis=0).repeat(times, axis=1)


def animation(pictures: Sequence[NDArray[np.uint8]], seconds: float = 0.08) -> bytes:
    """Encode pictures, each uint8 (H, W) and ``seconds`` long, as a GIF that walks through them and back."""
    frames = [Image.fromarray(picture) for picture in [*pictures, *pictures[-2:0:-1]]]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=round(1000 * seconds), loop=0)
    return content.getvalue()
