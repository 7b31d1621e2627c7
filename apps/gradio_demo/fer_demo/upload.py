"""The tab that names the emotions of a photo's faces."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from fer_data.errors import UserError
from fer_data.faces import crop
from fer_demo import show
from fer_demo.models import Models
from fer_demo.safety import Photo, sentences
from fer_demo.words import here, say
from fer_models.drawing import draw, png
from fer_models.predict import FacePrediction
from fer_models.saliency import occlusion, overlay

Image = NDArray[np.uint8]
Faces = list[FacePrediction]

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.jpg"))

NO_FACE = "No face found: try a closer, brighter photo."


class Upload:
    """What the tab's buttons do."""

    def __init__(self, models: Models) -> None:
        self.models = models

    @sentences()
    def detect(self, photo: Image | None, classifier: str) -> tuple[Image, dict[str, Any]]:
        """Find the faces of a photo and name their emotions.

        Args:
            photo: A JPEG, PNG or WebP file of at most 20 MB and 24 megapixels.
            classifier: The name of a checkpoint, e.g. cnn.

        Returns:
            The photo with boxes and emotions drawn, and {"seconds", "faces"}: each face has its "box" (left, top, right
            and bottom in pixels of that picture), "score" (how surely it is a face), "emotion" and "probabilities".
        """
        photo, start = _given(photo), perf_counter()
        faces = _numbered(self.models.predictor(classifier)(photo))
        seconds = perf_counter() - start
        return draw(photo, faces), {"seconds": round(seconds, 3), "faces": [face.to_dict() for face in faces]}

    @sentences()
    def show(self, photo: Image | None, classifier: str) -> list[Any]:
        """Find the faces and fill the page."""
        photo, start = _given(photo), perf_counter()
        faces = _numbered(self.models.predictor(classifier)(photo))
        return _filled(photo, faces, perf_counter() - start)

    @sentences()
    def show_whole(self, photo: Image | None, classifier: str) -> list[Any]:
        """Take the whole picture for a face."""
        photo, start = _given(photo), perf_counter()
        height, width = photo.shape[:2]
        faces = _numbered(self.models.predictor(classifier).predict_boxes(photo, [(0, 0, width, height)]))
        return _filled(photo, faces, perf_counter() - start)

    @sentences()
    def compare(self, photo: Image | None, faces: Faces, chosen: int) -> str:
        """Ask all classifiers about the chosen face."""
        photo, face = _given(photo), _chosen(faces, chosen)
        rows = []
        for entry in self.models.classifiers:
            predictor, start = self.models.predictor(entry.name), perf_counter()
            (row,) = predictor.classify([crop(photo, face.face)])
            milliseconds = 1000 * (perf_counter() - start)
            ranked = sorted(zip(row, face.probabilities, strict=True), reverse=True)[:2]
            rows.append(
                [entry.label, *(f"{here(name)} {chance:.0%}" for chance, name in ranked), f"{milliseconds:.0f} ms"]
            )
        return show.table(["model", "says", "or else", "time"], rows, f"All models on face {chosen + 1}")

    @sentences()
    def explain(self, photo: Image | None, faces: Faces, chosen: int, classifier: str) -> str:
        """Draw which parts of the chosen face speak for its emotion."""
        photo, face = _given(photo), _chosen(faces, chosen)
        picture = crop(photo, face.face)
        drawn = overlay(picture, occlusion(self.models.predictor(classifier), picture, face.emotion))
        return show.figure(f"Covering the orange parts makes “{face.emotion}” less likely", png(drawn), "png")


def build(models: Models) -> None:
    """Lay the tab out."""
    acts, usable = Upload(models), models.best is not None
    faces = gr.State([])
    with gr.Row():
        with gr.Column(min_width=300):
            photo = Photo(label=say("Photo"), height=340, elem_id="photo", alt_text="Your photo")
            classifier = show.chooser("Model", models.classifiers, models.broken, "classifier")
            button = gr.Button(say("Detect"), variant="primary", interactive=usable, elem_id="detect")
            gr.Examples(
                [[str(path)] for path in EXAMPLES], [photo], label=say("Or take one of these"), cache_examples=False
            )
        with gr.Column(min_width=300):
            said = gr.HTML(show.note("Choose a photo, then Detect."), elem_id="said")
            drawn = gr.Image(
                label=say("Faces (click one)"), interactive=False, format="jpeg", visible=False, elem_id="drawn",
                buttons=["download", "fullscreen"],
            )  # fmt: skip
            whole = gr.Button(say("Classify the whole picture anyway"), visible=False, elem_id="whole")
            chosen = gr.Radio([("1", 0)], value=0, label=say("Face"), visible=False, elem_id="chosen")
            shares = gr.HTML(elem_id="shares")
            with gr.Row(visible=False, elem_id="more") as more:
                compare = gr.Button(say("Compare all models"), size="sm", elem_id="compare")
                explain = gr.Button(say("Why?"), size="sm", elem_id="explain")
            table = gr.HTML(elem_id="compared")
            why = gr.HTML(elem_id="why")
    page = [drawn, faces, chosen, shares, said, whole, more, table, why]
    hidden: dict[str, Any] = {"api_visibility": "private"}
    busy: dict[str, Any] = {"concurrency_id": "faces", "concurrency_limit": 2}
    button.click(acts.show, [photo, classifier], page, show_progress_on=said, **hidden, **busy)
    whole.click(acts.show_whole, [photo, classifier], page, **hidden, **busy)
    photo.change(_emptied, None, page, queue=False, show_progress="hidden", **hidden)
    chosen.change(_bars, [faces, chosen], [shares, table, why], queue=False, show_progress="hidden", **hidden)
    drawn.select(
        _clicked, [faces, chosen], [chosen], queue=False, show_progress="hidden", trigger_mode="multiple", **hidden
    )
    compare.click(acts.compare, [photo, faces, chosen], [table], **hidden, **busy)
    explain.click(acts.explain, [photo, faces, chosen, classifier], [why], **hidden, **busy)
    caller, data = gr.Button(visible=False), gr.JSON(visible=False)
    caller.click(acts.detect, [photo, classifier], [drawn, data], api_name="detect", **busy)


def _given(photo: Image | None) -> Image:
    if photo is None:
        raise UserError("there is no photo yet: drop one into the field, or take one of the examples")
    return photo


def _chosen(faces: Faces, chosen: int) -> FacePrediction:
    if not 0 <= chosen < len(faces):
        raise UserError("no face is chosen: press Detect first")
    return faces[chosen]


def _title(faces: Faces, chosen: int) -> str:
    return f"{here('Face')} {chosen + 1}: {here(faces[chosen].emotion)}"


def _numbered(faces: Sequence[FacePrediction]) -> Faces:
    return [replace(face, track=number) for number, face in enumerate(faces, 1)]


def _filled(photo: Image, faces: Faces, seconds: float) -> list[Any]:
    """Give what the page shows for the faces that were found."""
    if not faces:
        plain = gr.Image(photo, visible=True, alt_text="Your photo. No face was found in it")
        return [plain, *_emptied(NO_FACE, "warning")[1:5], gr.Button(visible=True), *_emptied()[6:]]
    names = [f"{face.track}: {here(face.emotion)} {face.probabilities[face.emotion]:.0%}" for face in faces]
    return [
        gr.Image(draw(photo, faces), visible=True, alt_text=f"Your photo with its faces boxed. {', '.join(names)}"),
        faces,
        gr.Radio([(name, i) for i, name in enumerate(names)], value=0, visible=len(faces) > 1),
        show.bars(faces[0].probabilities, _title(faces, 0)),
        show.note(f"{len(faces)} face{'s' * (len(faces) > 1)} in {seconds:.2f} seconds."),
        gr.Button(visible=False),
        gr.Row(visible=True),
        "",
        "",
    ]


def _emptied(said: str = "Now press Detect.", kind: str = "info") -> list[Any]:
    """Forget the last photo's faces."""
    no_face = [gr.Image(None, visible=False), [], gr.Radio(visible=False), "", show.note(said, kind)]
    return [*no_face, gr.Button(visible=False), gr.Row(visible=False), "", ""]


@sentences()
def _bars(faces: Faces, chosen: int) -> list[Any]:
    face = _chosen(faces, chosen)
    return [show.bars(face.probabilities, _title(faces, chosen)), "", ""]


def _clicked(faces: Faces, chosen: int, event: gr.SelectData) -> int:
    """Choose the smallest face around the pixel that was clicked, if there is one."""
    x, y = event.index

    def area(number: int) -> float:
        x1, y1, x2, y2 = faces[number].face.box
        return (x2 - x1) * (y2 - y1) if x1 <= x <= x2 and y1 <= y <= y2 else float("inf")

    nearest = min(range(len(faces)), key=area, default=chosen)
    return chosen if area(nearest) == float("inf") else nearest
