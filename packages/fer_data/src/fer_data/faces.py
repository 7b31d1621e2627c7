"""Find faces with MTCNN and crop them the way FER2013 is cropped.

MTCNN (Zhang et al. 2016, https://arxiv.org/abs/1604.02878) is facenet-pytorch's, with its weights in the package.
It is loaded by the first ``FaceDetector``, as its import takes seconds.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import atan2, degrees

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_data.errors import UserError
from fer_data.images import to_gray

MARGIN = -0.05
"""How much longer the crop's side is than the longer side of MTCNN's box, as a fraction of it. Fitted on PublicTest by
``experiments/fit_margin.py``: of -0.2 to 0.2, turned upright or not, it loses least accuracy against the direct
pictures (0.1 points turned upright, 2.4 not; -0.1 lies within chance of it). The table is in
``experiments/results/margin.csv``."""

MARGINS = (-0.5, 2.0)
"""The smallest and the largest margin that leaves a face to be seen."""

MAX_SIZE = 1024
"""The largest crop in pixels, more than any network here takes."""

# In units of the smallest face. With 20 pixels: pictures below 100 are small; a thumbnail is 96 with a border of 24,
# which finds 100 of 100 faces of Labeled Faces in the Wild and 94 % of FER2013's.
_SMALL, _THUMBNAIL, _BORDER = 5.0, 4.8, 1.2

_BATCH_PIXELS = 4_000_000


@dataclass(frozen=True)
class Face:
    """A face in a picture. Pixels are counted from the picture's upper left corner.

    Attributes:
        box: (left, top, right, bottom) in pixels. As MTCNN guesses the whole face from the part that it sees, the
            box can reach a little beyond the picture; clipping would move the crop's frame off the face's centre.
        score: How sure MTCNN is, 0..1. Nothing below 0.7 is given.
        landmarks: Five (x, y) in pixels: the eye at the picture's left (the person's right eye), the other eye,
            the nose, the mouth's corner at the picture's left, the other corner.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[tuple[float, float], ...]

    @property
    def tilt(self) -> float:
        """The angle of the line through the eyes in degrees, positive when the head leans to the picture's right.

        0 without landmarks.
        """
        if not self.landmarks:
            return 0.0
        (left_x, left_y), (right_x, right_y) = self.landmarks[:2]
        return degrees(atan2(right_y - left_y, right_x - left_x))


@dataclass(frozen=True)
class _View:
    """A picture as MTCNN is shown it: uint8 (H, W, 3), scaled by (x, y), then with a border around it."""

    pixels: NDArray[np.uint8]
    scale: NDArray[np.float64]
    border: int


class FaceDetector:
    """MTCNN for pictures of any size and mixed sizes.

    A large picture is shrunk before the search, so a photo of 12 megapixels takes about as long as one of 1. A small
    one, such as a face of 48x48, is enlarged and gets a gray border, since MTCNN misses faces that fill the picture.
    A larger picture in which nothing was found gets a second look of that kind.

    Args:
        min_face: Side in pixels of the smallest face to search for; time falls with its square. Smaller ones are
            found by luck. Pictures less than five times as high or wide are enlarged first.
        max_side: What the longer side of a large picture is shrunk to. The smallest face grows by the same factor.
        device: Where MTCNN runs, e.g. ``"cuda"``.
    """

    def __init__(self, min_face: int = 20, *, max_side: int = 1280, device: str = "cpu") -> None:
        from facenet_pytorch import MTCNN  # takes seconds

        self.min_face = min_face
        self.max_side = max_side
        self._mtcnn = MTCNN(min_face_size=min_face, device=device)

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Face]]:
        """Find the faces of each picture; pictures of one size share batches.

        Args:
            images: uint8 (H, W, 3) RGB or uint8 (H, W) gray, each of any size.

        Returns:
            For each picture its faces, the largest box first; an empty list where there is none.
        """
        views = [self._view(image, thumbnail=self._is_small(image)) for image in images]
        faces = self._search(views)
        missed = [i for i, view in enumerate(views) if not faces[i] and not view.border]
        second = self._search([self._view(images[i], thumbnail=True) for i in missed])
        for i, found in zip(missed, second, strict=True):
            faces[i] = found
        return faces

    def _is_small(self, image: NDArray[np.uint8]) -> bool:
        height, width = image.shape[:2]
        shrunk = min(1.0, self.max_side / max(height, width))
        return bool(min(height, width) * shrunk < _SMALL * self.min_face)

    def _view(self, image: NDArray[np.uint8], *, thumbnail: bool) -> _View:
        """Scale a picture to at most ``max_side``, or to a thumbnail with a border."""
        height, width = image.shape[:2]
        wanted = _THUMBNAIL * self.min_face / min(height, width) if thumbnail else 1.0
        scale = min(wanted, self.max_side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = _resize(image, size)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        border = round(_BORDER * self.min_face) if thumbnail else 0
        # MTCNN maps 127.5 to 0, so this gray is to it what zero padding is to a convolution.
        pixels = np.pad(pixels, ((border, border), (border, border), (0, 0)), constant_values=127)
        return _View(pixels, np.array(size) / (width, height), border)

    def _search(self, views: Sequence[_View]) -> list[list[Face]]:
        """Run MTCNN in batches of equal size, as it takes no others."""
        faces: list[list[Face]] = [[] for _ in views]
        for batch in _batches(views):
            pixels = np.stack([views[i].pixels for i in batch])
            for i, *found in zip(batch, *self._mtcnn.detect(pixels, landmarks=True), strict=True):
                faces[i] = _faces(views[i], *found)
        return faces


def _batches(views: Sequence[_View]) -> Iterator[list[int]]:
    """Group the numbers of the views by size, each group cut so that a batch fits into memory."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, view in enumerate(views):
        groups[view.pixels.shape].append(i)
    for (height, width, _), members in groups.items():
        step = max(1, _BATCH_PIXELS // (height * width))
        for start in range(0, len(members), step):
            yield members[start : start + step]


def _faces(
    view: _View,
    boxes: NDArray[np.object_] | None,
    scores: NDArray[np.object_],
    points: NDArray[np.object_] | None,
) -> list[Face]:
    """Bring what MTCNN gives for one view (arrays of objects, None for no face) to the picture's own pixels."""
    if boxes is None or points is None:
        return []
    corners = (boxes.astype(float).reshape(-1, 2, 2) - view.border) / view.scale
    marks = (points.astype(float) - view.border) / view.scale
    return [
        Face(tuple(box.ravel().tolist()), min(float(score), 1.0), tuple(map(tuple, five.tolist())))
        for box, score, five in zip(corners, scores, marks, strict=True)
    ]


def crop(
    image: NDArray[np.uint8],
    face: Face,
    *,
    margin: float = MARGIN,
    align: bool = True,
    size: int | None = None,
) -> NDArray[np.uint8]:
    """Cut a face out about as FER2013 does: a gray square around the box's centre, turned upright.

    What lies outside the picture is filled with its nearest edge pixel: a bar of black would be a strong line that
    FER2013's faces don't have.

    Args:
        image: uint8 (H, W, 3) RGB or uint8 (H, W) gray.
        face: Where the face is.
        margin: The square's side is the box's longer side times ``1 + margin``; -0.5..2.
        align: Turn the face so that the eyes are level; a face without landmarks stays as it is.
        size: The side to scale to; None keeps the picture's own resolution.

    Returns:
        uint8 (size, size).

    Raises:
        UserError: The margin or the size is out of its range.
    """
    check_frame(margin, size)
    box = np.reshape(face.box, (2, 2))
    side = max(1, round(float((box[1] - box[0]).max()) * (1 + margin)))
    patch, corner = _neighbourhood(image, box.mean(axis=0), side)
    centre = box.mean(axis=0) - corner
    turn = cv2.getRotationMatrix2D(centre.tolist(), face.tilt if align else 0.0, 1.0)
    turn[:, 2] = np.round(turn[:, 2] + side / 2 - centre)  # whole pixels: an upright face is copied, not blurred
    square = cv2.warpAffine(to_gray(patch), turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return _resize(np.asarray(square, np.uint8), (size or side, size or side))


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Give the intersection over union of two boxes (left, top, right, bottom), 0..1."""
    a, b = np.array(one, float), np.array(other, float)
    shared = float((np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0).prod())
    return shared / (float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - shared + 1e-9)


def check_frame(margin: float, size: int | None) -> None:
    """Raise a ``UserError`` for a margin or a size that ``crop`` refuses."""
    if not MARGINS[0] <= margin <= MARGINS[1]:
        raise UserError(f"margin={margin} is out of range; give {MARGINS[0]:g} to {MARGINS[1]:g}")
    if size is not None and not 1 <= size <= MAX_SIZE:
        raise UserError(f"size={size} is out of range; give 1 to {MAX_SIZE} pixels")


def _neighbourhood(
    image: NDArray[np.uint8], centre: NDArray[np.float64], side: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Cut out all that a square can touch however it is turned, as OpenCV warps nothing beyond 32,767 pixels.

    Returns:
        The part of the picture, at least one pixel, and its upper left corner (x, y).
    """
    height, width = image.shape[:2]
    reach = 0.75 * side + 2
    low = np.clip(centre - reach, 0, (width - 1, height - 1)).astype(int)
    high = np.maximum(np.clip(centre + reach, 0, (width, height)).astype(int), low + 1)
    return image[low[1] : high[1], low[0] : high[0]], low


def _resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale to (width, height): by area when shrinking, as anything else would alias."""
    shrinking = size[0] < image.shape[1]
    how = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
