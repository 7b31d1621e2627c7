"""How the emotions of a film's faces went, in numbers and as a picture, kept in constant memory."""

from collections import defaultdict
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_data.emotions import COLOURS, EMOTIONS
from fer_models.results import FrameResult

_BINS = 1024
"""A film is told in at most so many pieces of time; when it gets longer, two become one."""

_TRACKS = 100
"""So many faces are kept for sure, those that were seen in most frames."""

_SHOWN, _LEFT, _WIDTH, _HEIGHT, _GAP, _FOOT = 8, 70, 1000, 110, 14, 60


@dataclass(frozen=True)
class TrackSummary:
    """One face over a whole film.

    Attributes:
        track: Its number.
        frames: In how many frames it was seen.
        first: The time of the first of them, in seconds.
        last: The time of the last of them, in seconds.
        probabilities: By emotion, the mean over these frames.
    """

    track: int
    frames: int
    first: float
    last: float
    probabilities: dict[str, float]


@dataclass
class _Record:
    first: float
    last: float
    # by piece of time: seven sums of probabilities and the number of frames
    pieces: dict[int, NDArray[np.float64]] = field(default_factory=lambda: defaultdict(lambda: np.zeros(8)))

    @property
    def total(self) -> NDArray[np.float64]:
        return np.asarray(np.sum(list(self.pieces.values()), axis=0), float)


class Timeline:
    """Gather the results of a film's frames."""

    def __init__(self) -> None:
        self.frames, self.end = 0, 0.0
        self._piece = 0.05  # seconds
        self._records: dict[int, _Record] = {}

    def add(self, result: FrameResult) -> None:
        """Note the faces of a frame."""
        self.frames, self.end = self.frames + 1, max(self.end, result.time)
        while self.end >= _BINS * self._piece:
            self._coarsen()
        for face in result.faces:
            record = self._records.setdefault(face.track or 0, _Record(result.time, result.time))
            record.last = max(record.last, result.time)
            record.pieces[int(max(0.0, result.time) / self._piece)] += [*face.probabilities.values(), 1]
        if len(self._records) > 2 * _TRACKS:
            self._records = dict(self._longest()[:_TRACKS])

    def tracks(self) -> list[TrackSummary]:
        """Sum the faces up, the longest first."""
        summaries = []
        for track, record in self._longest():
            *sums, count = record.total
            means = {emotion: float(value / count) for emotion, value in zip(EMOTIONS, sums, strict=True)}
            summaries.append(TrackSummary(track, int(count), record.first, record.last, means))
        return summaries

    def draw(self) -> NDArray[np.uint8]:
        """Draw the eight longest faces, one under the other: at each time the seven probabilities stacked up to 1.

        Returns:
            uint8 (H, 1090, 3), RGB.
        """
        shown = sorted(self._longest()[:_SHOWN])
        height = max(1, len(shown)) * (_HEIGHT + _GAP) + _GAP + _FOOT
        canvas = np.full((height, _LEFT + _WIDTH + 20, 3), 255, np.uint8)
        for row, (track, record) in enumerate(shown):
            top = _GAP + row * (_HEIGHT + _GAP)
            canvas[top : top + _HEIGHT, _LEFT : _LEFT + _WIDTH] = self._bands(record)
            _write(canvas, f"face {track}", 6, top + _HEIGHT // 2)
        if not shown:
            _write(canvas, "no face found", _LEFT, _GAP + _HEIGHT // 2)
        self._draw_foot(canvas)
        return canvas

    def _longest(self) -> list[tuple[int, _Record]]:
        return sorted(self._records.items(), key=lambda pair: -pair[1].total[-1])

    def _coarsen(self) -> None:
        self._piece *= 2
        for record in self._records.values():
            pieces, record.pieces = record.pieces, defaultdict(lambda: np.zeros(8))
            for number, sums in pieces.items():
                record.pieces[number // 2] += sums

    def _bands(self, record: _Record) -> NDArray[np.uint8]:
        """Paint one face, uint8 (H, W, 3); light gray where it isn't seen."""
        picture = np.full((_HEIGHT, _WIDTH, 3), 238, np.uint8)
        colours = np.array([list(bytes.fromhex(COLOURS[emotion][1:])) for emotion in EMOTIONS], np.uint8)
        numbers = np.array(sorted(record.pieces))
        # A piece is shown until the next frame: films with few frames a second would be all gaps.
        hold = max(self._piece, 1.5 * self.end / max(1, self.frames - 1))
        for x, time in enumerate(np.linspace(0, self.end, _WIDTH)):
            at = int(np.searchsorted(numbers, time / self._piece, side="right")) - 1
            if at >= 0 and time - numbers[at] * self._piece <= hold:
                *sums, count = record.pieces[int(numbers[at])]
                edges = np.round(np.cumsum([0, *sums]) / count * _HEIGHT).astype(int)
                picture[:, x] = np.repeat(colours, np.diff(edges), axis=0)[:_HEIGHT]
        return picture

    def _draw_foot(self, canvas: NDArray[np.uint8]) -> None:
        """Write the times and what the colours mean."""
        bottom = canvas.shape[0] - _FOOT
        for share in np.linspace(0, 1, 6):
            x, time = _LEFT + round(share * (_WIDTH - 1)), share * self.end
            cv2.line(canvas, (x, bottom - _GAP), (x, bottom - _GAP + 5), (90, 90, 90), 1)
            text = f"{time:.1f} s" if self.end < 60 else f"{int(time) // 60}:{int(time) % 60:02d}"
            _write(canvas, text, x - 20, bottom + 8)
        for i, emotion in enumerate(EMOTIONS):
            x = _LEFT + i * _WIDTH // 7
            colour = tuple(bytes.fromhex(COLOURS[emotion][1:]))
            cv2.rectangle(canvas, (x, bottom + 24), (x + 16, bottom + 40), colour, -1)
            _write(canvas, emotion, x + 22, bottom + 38)


def _write(canvas: NDArray[np.uint8], text: str, x: int, y: int) -> None:
    cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
