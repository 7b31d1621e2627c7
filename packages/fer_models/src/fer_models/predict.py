"""Models in use: from a picture to the emotions of the faces in it. Light: no Lightning, no Albumentations."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image as PillowImage

from fer_data.emotions import EMOTIONS
from fer_data.errors import ImageError, check_range
from fer_data.faces import Face, FaceDetector, crop
from fer_data.images import check_pixels, decode, from_pillow
from fer_models import hub
from fer_models.backends import backend_of
from fer_models.films.stream import EmotionStream
from fer_models.results import FacePrediction, FrameResult

__all__ = ["EmotionPredictor", "FacePrediction", "FrameResult", "Picture", "load"]

Picture = str | Path | bytes | NDArray[np.uint8] | PillowImage
Box = Sequence[float] | NDArray[np.floating | np.integer]

_AT_ONCE = 16
"""So many pictures of a list are held in memory."""


class EmotionPredictor:
    """Find the faces of a picture and name their emotions. Threads can share one.

    Args:
        checkpoint: Of a classifier.
        detector: Finds the faces; made on first use where none is given.
        device: Where the network runs, e.g. ``cpu`` or ``cuda``.
        backend: What it runs on, one of ``backends.BACKENDS``.
        uncertain: Answer 'uncertain' below the checkpoint's threshold, which was chosen so that 9 of 10 answers above
            it are right (on FER2013's PublicTest). The probabilities stay as they are.

    Raises:
        UserError: The checkpoint has other emotions, or no threshold where ``uncertain`` is asked for, or the backend
            or the device can't be had.
    """

    def __init__(
        self,
        checkpoint: hub.Checkpoint,
        detector: FaceDetector | None = None,
        device: str = "cpu",
        backend: str = "auto",
        *,
        uncertain: bool = False,
    ) -> None:
        if checkpoint.labels != EMOTIONS:
            raise hub.CheckpointError(
                f"the checkpoint {checkpoint.name} names FER+'s eight emotions, for evaluate.py: choose another here"
            )
        if uncertain and checkpoint.uncertain_below is None:
            raise hub.CheckpointError(
                f"the checkpoint {checkpoint.name} can't answer 'uncertain': its {hub.CONFIG} has no threshold for it; "
                "ask without it, or choose another checkpoint"
            )
        self.uncertain_below = (checkpoint.uncertain_below or 0.0) if uncertain else 0.0
        self.checkpoint, self.device = checkpoint, device
        self._network = backend_of(checkpoint, backend, device)
        self._detector, self._lock = detector, Lock()

    @property
    def detector(self) -> FaceDetector:
        """The face detector."""
        with self._lock:  # the only thing that changes after construction; MTCNN and the networks hold no state
            if self._detector is None:
                self._detector = FaceDetector(device=self.device)
            return self._detector

    @overload
    def __call__(self, picture: Picture, batch_size: int = 64) -> list[FacePrediction]: ...
    @overload
    def __call__(self, picture: list[Any], batch_size: int = 64) -> list[list[FacePrediction]]: ...

    def __call__(
        self, picture: Picture | list[Any], batch_size: int = 64
    ) -> list[FacePrediction] | list[list[FacePrediction]]:
        """Predict all faces of a picture, or of each of a list of pictures.

        Args:
            picture: A path, the bytes of a file, a Pillow image, or uint8 (H, W) gray or (H, W, 3) RGB; or a list of
                these.
            batch_size: How many faces go through the network at once.

        Returns:
            One prediction a face; an empty list where there is no face. A list of such lists for a list.

        Raises:
            ImageError: A picture can't be decoded or is refused.
        """
        if not isinstance(picture, list):
            return self._predict([picture], batch_size)[0]
        parts = (picture[i : i + _AT_ONCE] for i in range(0, len(picture), _AT_ONCE))
        return [faces for part in parts for faces in self._predict(part, batch_size)]

    def _predict(self, pictures: Sequence[Picture], batch_size: int) -> list[list[FacePrediction]]:
        images = [_pixels(picture) for picture in pictures]
        found = self.detector.detect(images)
        crops = [crop(image, face) for image, faces in zip(images, found, strict=True) for face in faces]
        rows = iter(self.classify(crops, batch_size))
        return [[self.prediction(face, next(rows)) for face in faces] for faces in found]

    def predict_boxes(self, picture: Picture, boxes: Sequence[Box], batch_size: int = 64) -> list[FacePrediction]:
        """Predict faces that were found by other means.

        Args:
            picture: As for a call.
            boxes: Each (left, top, right, bottom) in pixels, tight around the face as MTCNN's are.
            batch_size: As for a call.

        Returns:
            One prediction a box, in their order, with the score 1 and no landmarks: the faces are not turned upright,
            as a box doesn't tell how they lean.

        Raises:
            ImageError: The picture is refused, or a box has no area in it or reaches far beyond it.
        """
        image = _pixels(picture)
        faces = [_face(image, box) for box in boxes]
        rows = self.classify([crop(image, face) for face in faces], batch_size)
        return [self.prediction(face, row) for face, row in zip(faces, rows, strict=True)]

    def classify(self, faces: Sequence[NDArray[np.uint8]], batch_size: int = 64) -> NDArray[np.float32]:
        """Classify faces that are cropped already.

        Args:
            faces: Each uint8 (H, W) or (H, W, 3), any size.
            batch_size: How many go through the network at once.

        Returns:
            Probabilities, float32 (N, 7).

        Raises:
            UserError: The batch size is below 1.
        """
        check_range("batch_size", batch_size, 1)
        rows = [np.empty((0, len(EMOTIONS)), np.float32)]
        for start in range(0, len(faces), batch_size):
            inputs = np.stack([self.checkpoint.preprocess(face) for face in faces[start : start + batch_size]])
            logits = torch.from_numpy(self._network(image=inputs)) / self.checkpoint.temperature
            rows.append(logits.softmax(1).numpy())
        return np.concatenate(rows)

    def prediction(self, face: Face, probabilities: NDArray[np.float32], track: int | None = None) -> FacePrediction:
        """Name what a face with these probabilities, float32 (7,), expresses."""
        named = dict(zip(EMOTIONS, map(float, probabilities), strict=True))
        return FacePrediction(face, named, track, self.uncertain_below)

    def stream(
        self,
        frames: Iterable[NDArray[np.uint8] | tuple[float, NDArray[np.uint8]]],
        *,
        fps: float = 30.0,
        smooth: float = 0.3,
        detect_every: int = 10,
        side: int = 480,
        batch_size: int = 1,
    ) -> Iterator[FrameResult]:
        """Follow the faces of a film or a camera and name their emotions, frame after frame in constant memory.

        For a viewer who sends frames from time to time use an ``EmotionStream``; for a file, ``video.annotate_film``.

        Args:
            frames: uint8 (H, W, 3) RGB or (H, W) gray, or (time in seconds, frame).
            fps: Frames a second, where frames come without a time.
            smooth: Time constant in seconds of the filter over time, see ``stream.Smoother``; 0 for none.
            detect_every: See ``tracking.FaceTracker``.
            side: See ``tracking.FaceTracker``.
            batch_size: How many faces are classified at once; more is faster, but results come later.

        Yields:
            One result a frame. Each face has its ``track``, the number that it keeps from frame to frame.

        Raises:
            UserError: An argument is out of its range, or a frame is no picture.
        """
        check_range("fps", fps, 1e-3)
        viewer = EmotionStream(self, smooth=smooth, detect_every=detect_every, side=side)
        pairs = (frame if isinstance(frame, tuple) else (i / fps, frame) for i, frame in enumerate(frames))
        numbered = ((i, time, frame) for i, (time, frame) in enumerate(pairs))
        return (result for _, result in viewer.run(numbered, batch_size))


def _pixels(picture: Picture) -> NDArray[np.uint8]:
    if isinstance(picture, PillowImage):
        return from_pillow(picture)
    return decode(picture) if isinstance(picture, str | Path | bytes) else check_pixels(picture)


def _face(image: NDArray[np.uint8], box: Box) -> Face:
    """Make a face of a box, if it has an area within the picture."""
    height, width = image.shape[:2]
    try:
        x1, y1, x2, y2 = map(float, box)
    except (TypeError, ValueError):
        raise ImageError(f"the box {box} is not four numbers: give left, top, right, bottom in pixels") from None
    touches = max(x1, 0) < min(x2, width) and max(y1, 0) < min(y2, height)
    if not (touches and max(x2 - x1, y2 - y1) <= 2 * max(height, width)):  # a square of its side is cut out
        raise ImageError(f"the box {box} is no part of a picture of {width} by {height} pixels")
    return Face((x1, y1, x2, y2), 1.0, ())


def load(name: str = "cnn", device: str = "cpu", backend: str = "auto", *, uncertain: bool = False) -> EmotionPredictor:
    """Load a classifier by the name of its checkpoint, or by path; for the arguments see ``EmotionPredictor``.

    Example:
        >>> from fer_models.predict import load
        >>> for face in load("cnn")("party.jpg"):
        ...     print(face.emotion, face.probabilities)

    Raises:
        UserError: There is no such checkpoint, device or backend, the checkpoint is damaged, or can't answer as asked.
    """
    return EmotionPredictor(hub.load(name), device=device, backend=backend, uncertain=uncertain)
