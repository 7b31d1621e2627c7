"""Emotions of the faces of a film or a camera, frame after frame."""

from collections.abc import Iterable, Iterator, Sequence
from math import exp
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_data.errors import check_range
from fer_data.faces import Face, crop
from fer_models.films.tracking import FaceTracker
from fer_models.results import FacePrediction, FrameResult

if TYPE_CHECKING:
    from fer_models.predict import EmotionPredictor

Image = NDArray[np.uint8]

_BATCH_PIXELS = 32_000_000
"""Frames that wait for their faces to be classified hold at most about so many pixels, 100 MB."""

_FORGET = 10.0
"""Seconds after which the probabilities of a face that is gone are forgotten."""


class Smoother:
    """Smooth each face's probabilities over time, so that they don't flicker.

    An exponential filter: after a step from one emotion to another the smoothed probability has gone 63 % of the way
    in ``seconds``, whatever the frame rate is. It looks back only, so it lags by about ``seconds``.

    Args:
        seconds: The time constant; 0 smooths nothing.
    """

    def __init__(self, seconds: float) -> None:
        check_range("smooth", seconds, 0, 60)
        self.seconds = seconds
        self._state: dict[int, tuple[float, NDArray[np.float32]]] = {}

    def __call__(self, track: int, time: float, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the smoothed probabilities of a track, float32 (7,), and note them."""
        if not self.seconds:
            return probabilities
        before, smoothed = self._state.get(track, (time, probabilities))
        share = 1 - exp(-max(0.0, time - before) / self.seconds)
        smoothed = smoothed + np.float32(share) * (probabilities - smoothed)
        self._state[track] = time, smoothed
        return smoothed

    def forget(self, time: float) -> None:
        """Drop faces that are long gone, so that memory doesn't grow."""
        self._state = {k: state for k, state in self._state.items() if abs(time - state[0]) <= _FORGET}


class EmotionStream:
    """Follow the faces of one film or one viewer and name their emotions.

    It keeps what it knows between frames, so each viewer needs one of his own; they can share the predictor.

    Example:
        >>> stream = EmotionStream(load("cnn"))
        >>> for face in stream.update(frame):
        ...     print(face.track, face.emotion)

    Args:
        predictor: Classifies the faces.
        smooth: Time constant of the smoothing in seconds, see ``Smoother``; 0 for none.
        detect_every: See ``FaceTracker``.
        side: See ``FaceTracker``.
    """

    def __init__(
        self, predictor: "EmotionPredictor", *, smooth: float = 0.3, detect_every: int = 10, side: int = 480
    ) -> None:
        self.predictor = predictor
        self.tracker = FaceTracker(predictor.detector, detect_every=detect_every, side=side)
        self.smoother = Smoother(smooth)

    def update(self, frame: Image, time: float | None = None) -> list[FacePrediction]:
        """Give the faces of the next frame at once.

        Args:
            frame: uint8 (H, W, 3) RGB or (H, W) gray.
            time: When it was taken, in seconds; None for now.

        Returns:
            One prediction a face, each with its ``track``, in the order of the tracks.
        """
        time = monotonic() if time is None else time
        faces = self.tracker.update(frame, time)
        return self._finish(time, faces, self.predictor.classify([crop(frame, face) for face in faces.values()]))

    def run(
        self, frames: Iterable[tuple[int, float, Image]], batch_size: int = 1
    ) -> Iterator[tuple[Image, FrameResult]]:
        """Give each frame with its faces, later: ``batch_size`` faces are classified at once.

        Args:
            frames: (number, time in seconds, picture).
            batch_size: Faces, or frames without one, that are gathered at most; 1 waits for nothing.
        """
        check_range("batch_size", batch_size, 1)
        waiting: list[tuple[int, float, Image, dict[int, Face]]] = []
        crops: list[Image] = []
        for number, time, frame in frames:
            faces = self.tracker.update(frame, time)
            crops += [crop(frame, face) for face in faces.values()]
            waiting.append((number, time, frame, faces))
            if max(len(crops), len(waiting)) >= batch_size or len(waiting) * frame.size >= 3 * _BATCH_PIXELS:
                yield from self._classify(waiting, crops, batch_size)
                waiting, crops = [], []
        yield from self._classify(waiting, crops, batch_size)

    def _classify(
        self, waiting: Sequence[tuple[int, float, Image, dict[int, Face]]], crops: Sequence[Image], batch_size: int
    ) -> Iterator[tuple[Image, FrameResult]]:
        rows = self.predictor.classify(crops, batch_size)
        for number, time, frame, faces in waiting:
            own, rows = rows[: len(faces)], rows[len(faces) :]
            yield frame, FrameResult(number, time, self._finish(time, faces, own))

    def _finish(self, time: float, faces: dict[int, Face], rows: NDArray[np.float32]) -> list[FacePrediction]:
        predictions = []
        for (track, face), row in zip(faces.items(), rows, strict=True):
            smoothed = self.smoother(track, time, row)
            predictions.append(self.predictor.prediction(face, smoothed, track))
        self.smoother.forget(time)
        return predictions
