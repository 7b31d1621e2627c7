"""Models in use: from a picture to the emotions of the faces in it. Light: no Lightning, no Albumentations."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fer_data.emotions import EMOTIONS
from fer_data.faces import Face, FaceDetector, crop
from fer_data.images import decode
from fer_models import hub

Picture = str | Path | bytes | NDArray[np.uint8]


@dataclass(frozen=True)
class FacePrediction:
    """One face and what it expresses.

    Attributes:
        face: Where it is.
        probabilities: By emotion, in the order of ``EMOTIONS``; they sum to 1.
    """

    face: Face
    probabilities: dict[str, float]

    @property
    def emotion(self) -> str:
        """The likeliest emotion."""
        return max(self.probabilities, key=lambda emotion: self.probabilities[emotion])

    def to_dict(self) -> dict[str, Any]:
        """Give box (x1, y1, x2, y2 in pixels), detection score, emotion and probabilities as JSON builtins."""
        return {
            "box": [round(x, 1) for x in self.face.box],
            "score": round(self.face.score, 4),
            "emotion": self.emotion,
            "probabilities": {name: round(p, 4) for name, p in self.probabilities.items()},
        }


class EmotionPredictor:
    """Find the faces of a picture and name their emotions.

    Args:
        checkpoint: Of a classifier.
        detector: Finds the faces; made on first use where none is given.
        device: Where the network runs, e.g. ``cpu`` or ``cuda``.
    """

    def __init__(self, checkpoint: hub.Checkpoint, detector: FaceDetector | None = None, device: str = "cpu") -> None:
        if checkpoint.labels != EMOTIONS:
            raise hub.CheckpointError(
                f"the checkpoint {checkpoint.name} names FER+'s eight emotions, for evaluate.py: choose another here"
            )
        self.checkpoint, self.device = checkpoint, device
        self.network = hub.place(checkpoint.network, device)
        self._detector = detector

    @property
    def detector(self) -> FaceDetector:
        """The face detector."""
        if self._detector is None:
            self._detector = FaceDetector(device=self.device)
        return self._detector

    def __call__(self, picture: Picture) -> list[FacePrediction]:
        """Predict all faces of a picture.

        Args:
            picture: A path, the bytes of a file, or uint8 (H, W) gray or (H, W, 3) RGB.

        Returns:
            One prediction a face; an empty list where there is no face.

        Raises:
            ImageError: The picture can't be decoded or is refused.
        """
        image = picture if isinstance(picture, np.ndarray) else decode(picture)
        faces = self.detector.detect([image])[0]
        probabilities = self.classify([crop(image, face) for face in faces])
        return [
            FacePrediction(face, dict(zip(EMOTIONS, map(float, row), strict=True)))
            for face, row in zip(faces, probabilities, strict=True)
        ]

    def classify(self, faces: Sequence[NDArray[np.uint8]], batch_size: int = 64) -> NDArray[np.float32]:
        """Classify faces that are cropped already.

        Args:
            faces: Each uint8 (H, W) or (H, W, 3), any size.
            batch_size: How many go through the network at once.

        Returns:
            Probabilities, float32 (N, 7).
        """
        rows = [np.empty((0, len(EMOTIONS)), np.float32)]
        for start in range(0, len(faces), batch_size):
            inputs = np.stack([self.checkpoint.preprocess(face) for face in faces[start : start + batch_size]])
            with torch.inference_mode():
                logits = self.network(torch.from_numpy(inputs).to(self.device))
            rows.append(logits.softmax(1).cpu().numpy())
        return np.concatenate(rows)


def load(name: str = "cnn", device: str = "cpu") -> EmotionPredictor:
    """Load a classifier by the name of its checkpoint, or by path.

    Example:
        >>> from fer_models.predict import load
        >>> for face in load("cnn")("party.jpg"):
        ...     print(face.emotion, face.probabilities)

    Raises:
        CheckpointError: There is no such checkpoint, or it is damaged.
    """
    return EmotionPredictor(hub.load(name), device=device)
