"""Faces keep their number from frame to frame of a film.

MTCNN searches every few frames only. Between them each face is moved by Median Flow (Kalal et al. 2010,
"Forward-Backward Error", https://doi.org/10.1109/ICPR.2010.675): points on the face are followed to the new frame and
back again, those that don't come back to where they started are dropped, and the others' medians shift and scale the
box.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_data.errors import check_range
from fer_data.faces import Face, FaceDetector, overlap
from fer_data.images import check_pixels, to_gray

_GRID = 7
"""Points followed along each side of a face."""

_ENOUGH = 1 / 3
"""The share of the points that must come back for a face to be followed."""

_BACK = 1.0
"""How far from its start a point may come back, in pixels of the shrunk frame."""

_GROWTH = 1.3
"""By how much a face can grow or shrink from frame to frame; what does more is no face any longer."""

_OVERLAP, _ALIKE = 0.3, 0.6
"""A found face is a known one if their boxes overlap by this (intersection over union), or, where it was lost, if they
touch and the pictures correlate by this."""


@dataclass
class _Track:
    """A face that is followed, in pixels of the shrunk frame.

    Attributes:
        face: Where it is, or was when it was lost.
        look: Its picture when it was last found, float32 (256,), mean 0 and length 1.
        seen: When it was last found, in seconds.
        misses: How many searches in a row have not found it.
        lost: Not reported, but remembered for a while.
    """

    face: Face
    look: NDArray[np.float32]
    seen: float
    misses: int = 0
    lost: bool = False


class FaceTracker:
    """Find faces and follow them, for one film or one viewer; call it for one frame after another.

    A face counts from when its centre is in the picture. One that nobody finds in two searches, or that can't be
    followed, is lost. When one that looks alike is found at its place within ``memory`` seconds, it gets its number
    back; otherwise it is a new face. Faces aren't recognised: who leaves and comes back elsewhere gets a new number.

    Args:
        detector: Finds the faces.
        detect_every: Search each so many frames, and twice as often while there is no face. A frame in which a face
            got lost is searched too.
        side: What the longer side of a larger frame is shrunk to for search and following, in pixels. The smallest
            face grows by the same factor: half as large a frame takes about half the time.
        memory: For how many seconds a lost face keeps its number.

    Raises:
        UserError: An argument is out of its range.
    """

    def __init__(self, detector: FaceDetector, *, detect_every: int = 10, side: int = 480, memory: float = 1.0) -> None:
        check_range("detect_every", detect_every, 1)
        check_range("side", side, 64)
        check_range("memory", memory, 0)
        self.detector, self.detect_every, self.side, self.memory = detector, detect_every, side, memory
        self._tracks: dict[int, _Track] = {}
        self._before: NDArray[np.uint8] | None = None
        self._until_search = 0
        self._next = 1

    def update(self, frame: NDArray[np.uint8], time: float) -> dict[int, Face]:
        """Find or follow the faces of the next frame.

        Args:
            frame: uint8 (H, W, 3) RGB or (H, W) gray.
            time: When it was taken, in seconds.

        Returns:
            The faces by their numbers, boxes and landmarks in pixels of the frame. A followed face has the score that
            it was last found with.
        """
        scale = min(1.0, self.side / max(check_pixels(frame).shape[:2]))
        gray = _scaled(to_gray(frame), scale)
        if self._before is not None and self._before.shape != gray.shape:
            self._tracks.clear()
            self._until_search = 0
        elif self._before is not None and self._follow(self._before, gray):
            self._until_search = 0
        self._before = gray
        if self._until_search == 0:
            self._search(_scaled(frame, scale), gray, time)
            self._until_search = self.detect_every if any(self._visible()) else (self.detect_every + 1) // 2
        self._until_search -= 1
        return {number: _mapped(track.face, 1 / scale) for number, track in self._visible()}

    def _visible(self) -> Iterator[tuple[int, _Track]]:
        return ((number, track) for number, track in sorted(self._tracks.items()) if not track.lost)

    def _follow(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
        """Move the faces to the next frame; tell whether one got lost."""
        tracks = [track for _, track in self._visible()]
        moved = follow(before, after, [track.face for track in tracks])
        for track, face in zip(tracks, moved, strict=True):
            track.face, track.lost = face or track.face, face is None
        return None in moved

    def _search(self, small: NDArray[np.uint8], gray: NDArray[np.uint8], time: float) -> None:
        """Find the faces, give known ones their numbers and the others new ones.

        Faces that are half outside are left out: their boxes jump about, and would get one number after another.
        """
        found = [(face, _look(gray, face)) for face in self.detector.detect([small])[0] if _centred(gray, face)]
        matches = self._match(found)
        for number, track in self._tracks.items():
            if number not in matches.values():
                track.misses += 1
                hidden = any(overlap(track.face.box, face.box) > 0.5 for face, _ in found)
                track.lost = track.lost or track.misses > 1 or hidden
        for i, (face, look) in enumerate(found):
            if i not in matches:
                matches[i], self._next = self._next, self._next + 1
            self._tracks[matches[i]] = _Track(face, look, time)
        # Times can be any: a camera's clock may be set back.
        self._tracks = {k: track for k, track in self._tracks.items() if abs(time - track.seen) <= self.memory}

    def _match(self, found: Sequence[tuple[Face, NDArray[np.float32]]]) -> dict[int, int]:
        """Pair found faces with known ones, the best pair first: number of the found face -> number of the track."""
        pairs = []
        for number, track in self._tracks.items():
            for i, (face, look) in enumerate(found):
                shared = overlap(track.face.box, face.box)
                if shared >= _OVERLAP and not track.lost:
                    pairs.append((1 + shared, i, number))
                elif shared > 0 and track.lost and float(look @ track.look) >= _ALIKE:
                    pairs.append((shared, i, number))
        matches: dict[int, int] = {}
        for _, i, number in sorted(pairs, reverse=True):
            if i not in matches and number not in matches.values():
                matches[i] = number
        return matches


def _scaled(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1:
        return image
    height, width = image.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def follow(before: NDArray[np.uint8], after: NDArray[np.uint8], faces: Sequence[Face]) -> list[Face | None]:
    """Move faces from one frame to the next by Median Flow.

    Args:
        before: uint8 (H, W), gray.
        after: uint8 (H, W), the next frame.
        faces: In ``before``.

    Returns:
        Each face in ``after``; None for one that can't be followed.
    """
    if not faces:
        return []
    starts = np.stack([_grid(face) for face in faces]).astype(np.float32)
    points = starts.reshape(-1, 1, 2)
    options = {"winSize": (15, 15), "maxLevel": 3}
    ends, there, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, **options)  # type: ignore[call-overload]
    back, again, _ = cv2.calcOpticalFlowPyrLK(after, before, ends, None, **options)  # type: ignore[call-overload]
    error = np.linalg.norm(back - points, axis=2)
    inside = ((ends >= 0) & (ends < (after.shape[1], after.shape[0]))).all(2)
    error = np.where((there == 1) & (again == 1) & inside, error, inf).reshape(len(faces), -1)
    ends = ends.reshape(starts.shape)
    return [_moved(*each) for each in zip(faces, starts, ends, error, strict=True)]


def _grid(face: Face) -> NDArray[np.float64]:
    """Spread points over the inner part of a face's box, (49, 2), where little of the background is."""
    x1, y1, x2, y2 = face.box
    places = np.linspace(0.15, 0.85, _GRID)
    x, y = np.meshgrid(x1 + places * (x2 - x1), y1 + places * (y2 - y1))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _moved(
    face: Face, starts: NDArray[np.float32], ends: NDArray[np.float32], error: NDArray[np.float32]
) -> Face | None:
    """Shift and scale a face by the medians over those of its points that came back best."""
    good = (error <= _BACK) & (error <= np.median(error))
    if good.sum() < _ENOUGH * len(error):
        return None
    starts, ends = starts[good], ends[good]
    i, j = np.triu_indices(len(starts), 1)
    apart = [np.linalg.norm(points[i] - points[j], axis=1) for points in (starts, ends)]
    growth = float(np.median(apart[1] / apart[0]))
    if not 1 / _GROWTH <= growth <= _GROWTH:
        return None
    shift = np.median(ends - starts, axis=0)
    centre = np.reshape(face.box, (2, 2)).mean(axis=0)

    return _mapped(face, growth, *(centre + shift - growth * centre).tolist())


def _mapped(face: Face, scale: float, right: float = 0.0, down: float = 0.0) -> Face:
    """Scale a face about the picture's corner, then shift it."""
    x1, y1, x2, y2 = face.box
    box = (x1 * scale + right, y1 * scale + down, x2 * scale + right, y2 * scale + down)
    return replace(face, box=box, landmarks=tuple((x * scale + right, y * scale + down) for x, y in face.landmarks))


def _centred(gray: NDArray[np.uint8], face: Face) -> bool:
    """Tell whether the centre of a face lies in the picture."""
    height, width = gray.shape
    x1, y1, x2, y2 = face.box
    return bool(0 <= x1 + x2 < 2 * width and 0 <= y1 + y2 < 2 * height)


def _look(gray: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
    """Give a face's picture as a vector whose dot product with another's is their correlation."""
    height, width = gray.shape
    x1, y1, x2, y2 = np.clip(np.round(face.box).astype(int), 0, (width, height, width, height))
    patch = gray[min(y1, height - 1) : max(y2, 1), min(x1, width - 1) : max(x2, 1)]
    vector = cv2.resize(patch, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    vector -= vector.mean()
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)
