"""What prediction gives: a face with its emotions, and a frame with its faces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fer_data.emotions import UNCERTAIN
from fer_data.faces import Face


@dataclass(frozen=True)
class FacePrediction:
    """One face and what it expresses.

    Attributes:
        face: Where it is.
        probabilities: By emotion, in the order of ``EMOTIONS``; they sum to 1.
        track: In a film, the number that the face keeps from frame to frame; from 1.
        uncertain_below: Where the highest probability is lower, the answer is 'uncertain'; 0 for always an emotion.
    """

    face: Face
    probabilities: dict[str, float]
    track: int | None = None
    uncertain_below: float = 0.0

    @property
    def confidence(self) -> float:
        """The highest probability."""
        return max(self.probabilities.values())

    @property
    def emotion(self) -> str:
        """The likeliest emotion, or ``UNCERTAIN``."""
        if self.confidence < self.uncertain_below:
            return UNCERTAIN
        return max(self.probabilities, key=lambda emotion: self.probabilities[emotion])

    def to_dict(self) -> dict[str, Any]:
        """Give box (x1, y1, x2, y2 in pixels), detection score, emotion and probabilities as JSON builtins."""
        return {
            **({} if self.track is None else {"track": self.track}),
            "box": [round(x, 1) for x in self.face.box],
            "score": round(self.face.score, 4),
            "emotion": self.emotion,
            "probabilities": {name: round(p, 4) for name, p in self.probabilities.items()},
        }


@dataclass(frozen=True)
class FrameResult:
    """One frame of a film and the faces in it.

    Attributes:
        frame: Its number in the film, from 0. Frames that were left out are counted too.
        time: When it is shown, in seconds.
        faces: In the order of their tracks; empty where there is none.
    """

    frame: int
    time: float
    faces: Sequence[FacePrediction]

    def to_dict(self) -> dict[str, Any]:
        """Give all as JSON builtins."""
        return {
            "frame": self.frame,
            "time": round(self.time, 3),
            "faces": [prediction.to_dict() for prediction in self.faces],
        }
