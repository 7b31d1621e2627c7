"""The tab that follows the faces before a camera."""

from collections import deque
from time import monotonic
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from fer_demo import show
from fer_demo.models import Models
from fer_demo.safety import CameraPhoto, sentences
from fer_demo.words import here, say
from fer_models.drawing import draw
from fer_models.films.stream import EmotionStream

SECONDS = 30.0
"""How far back the lines go."""

SEARCH = {"detect_every": 8, "side": 320}
"""Who sits before a camera is near it and stays, and browser and search may share a processor of two cores."""

_EVERY = 0.5
"""Seconds between two points of the lines."""

PRIVACY = (
    "Allow the camera, then press the round button. Each picture is looked at and deleted at once: nothing is kept, "
    "and nothing is sent on."
)


class Viewer:
    """One visitor's faces and their last half minute.

    Args:
        name: Of the classifier.
        stream: Follows the faces.
    """

    def __init__(self, name: str, stream: EmotionStream) -> None:
        self.name, self.stream = name, stream
        self.history: deque[tuple[float, dict[str, float]]] = deque(maxlen=round(SECONDS / _EVERY))
        self.times: deque[float] = deque(maxlen=20)

    def update(self, frame: NDArray[np.uint8]) -> tuple[str, str, Any]:
        """Give the annotated frame, the bars and, twice a second, the lines."""
        now = monotonic()
        faces = self.stream.update(frame, now)
        self.times.append(now)
        main = max(faces, key=lambda face: face.face.box[2] - face.face.box[0], default=None)
        drawn: Any = gr.skip()
        if main is not None and (not self.history or now - self.history[-1][0] >= _EVERY):
            while self.history and now - self.history[0][0] > SECONDS:
                self.history.popleft()
            self.history.append((now, main.probabilities))
            drawn = show.lines(list(self.history), SECONDS)
        said = ", ".join(f"{face.track}: {face.emotion}" for face in faces) or "no face"
        title = here("No face") if main is None else f"{here('Face')} {main.track}: {here(main.emotion)}"
        picture = show.picture(draw(frame, faces), f"Your camera's picture. {said}")
        caption = f'<p class="fer-rate">{self.rate:.1f} frames a second</p>'
        return picture + caption, show.bars(None if main is None else main.probabilities, title), drawn

    @property
    def rate(self) -> float:
        """Frames a second, over the last 20."""
        span = self.times[-1] - self.times[0]
        return (len(self.times) - 1) / span if span else 0.0


class Webcam:
    """What the tab does."""

    def __init__(self, models: Models) -> None:
        self.models = models

    @sentences()
    def frame(self, frame: NDArray[np.uint8] | None, viewer: Viewer | None, name: str) -> tuple[Any, ...]:
        """Show the next frame."""
        if frame is None:
            return viewer, gr.skip(), gr.skip(), gr.skip()
        if viewer is None or viewer.name != name:
            viewer = Viewer(name, EmotionStream(self.models.predictor(name), **SEARCH))
        return viewer, *viewer.update(frame)


def build(models: Models) -> None:
    """Lay the tab out."""
    acts = Webcam(models)
    viewer = gr.State(None, time_to_live=120)
    with gr.Row():
        with gr.Column(min_width=300):
            constraints = {"video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "facingMode": "user"}}
            camera = CameraPhoto(
                label=say("Camera"), sources=["webcam"], streaming=True, elem_id="camera", height=340,
                webcam_options=gr.WebcamOptions(mirror=False, constraints=constraints),
            )  # fmt: skip
            gr.HTML(show.note(PRIVACY))
            classifier = show.chooser("Model", models.classifiers, models.broken, "camera-model")
        with gr.Column(min_width=300):
            picture = gr.HTML(elem_id="camera-out")
            bars = gr.HTML(show.bars(None, "No face"), elem_id="camera-bars")
            lines = gr.HTML(show.lines([]), elem_id="camera-lines")
    camera.stream(
        acts.frame, [camera, viewer, classifier], [viewer, picture, bars, lines], stream_every=0.03, time_limit=120,
        concurrency_limit=2, concurrency_id="camera", show_progress="hidden", api_visibility="private",
    )  # fmt: skip
