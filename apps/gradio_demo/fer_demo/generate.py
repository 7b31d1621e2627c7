"""The tab that makes faces."""

from collections.abc import Sequence
from typing import Any

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError
from fer_data.faces import crop
from fer_demo import show
from fer_demo.models import Models
from fer_demo.safety import Photo, sentences
from fer_demo.words import here, say
from fer_models.drawing import animation, tile
from fer_models.generate import FaceGenerator

Faces = NDArray[np.uint8]
Score = dict[str, Any]
"""A generated face: the emotion that it was "asked" for or None, what it was "read" as, and how "sure", 0 to 1."""

ALL, RANDOM = "all seven in turn", "random"
NO_GENERATOR = "No generator is here yet: train one and export it to checkpoints/, as the README says."
NO_FACE = "No face was found in your photo: try a closer, brighter one."

_STEPS, _VARIATIONS = 24, 7


class Generate:
    """What the tab's button does."""

    def __init__(self, models: Models) -> None:
        self.models = models

    @sentences()
    def generate(
        self, generator: str, emotion: str, number: int, seed: int, truncation: float
    ) -> tuple[Faces, dict[str, Any]]:
        """Make faces, and let a classifier say what they show.

        Args:
            generator: The name of a checkpoint, e.g. cgan.
            emotion: One of the seven, "all seven in turn" or "random"; some generators can't be asked for one.
            number: How many, 1 to 64.
            seed: The same seed gives the same faces.
            truncation: 0.1 to 1; less gives safer faces that differ less.

        Returns:
            All faces in one picture, eight in a row, each 48 by 48 pixels; and {"seed", "faces"}: each face has what it
            was "asked" for (null where the generator can't be asked), what it was "read" as, and how "sure", 0 to 1.
        """
        faces, scores = self._sample(generator, emotion, int(number), int(seed), truncation)
        return tile(faces, columns=min(8, len(faces))), {"seed": int(seed), "faces": scores}

    @sentences()
    def show(self, generator: str, emotion: str, number: int, seed: int, truncation: float, photo: Faces | None) -> str:
        """Make faces, seven emotions of one latent, a walk between two latents, and faces around the given one."""
        maker, seed = self.models.generator(generator), int(seed)
        faces, scores = self._sample(generator, emotion, int(number), seed, truncation)
        page = show.note(_summary(scores, self.models.best)) + self._grid("Faces", faces, scores)
        if maker.conditional:
            seven = maker.all_emotions(maker.latents(1, seed, truncation))
            scores = self._scores(seven, range(len(EMOTIONS)))
            page += self._grid("Seven emotions of one latent (the first face's)", seven, scores)
        if photo is not None and maker.inverts:
            page += self._yours(maker, photo, seed)
        elif photo is not None:
            page += show.note(_abilities(maker.checkpoint.name, inverts=False), "warning")
        label = int(_labels(emotion, 1, seed)[0])
        return page + _walk(maker.interpolate(label, seed, _STEPS, truncation))

    def _sample(
        self, generator: str, emotion: str, number: int, seed: int, truncation: float
    ) -> tuple[Faces, list[Score]]:
        maker = self.models.generator(generator)
        labels = _labels(emotion, number, seed)
        faces = maker.sample(labels, seed, truncation)
        return faces, self._scores(faces, labels if maker.conditional else None)

    def _yours(self, maker: FaceGenerator, photo: Faces, seed: int) -> str:
        """Start from a photo's largest face: as it is, rebuilt, in each emotion, and varied."""
        found = self.models.detector.detect([photo])[0]
        if not found:
            raise UserError(NO_FACE)
        own = crop(photo, found[0], size=48)
        z = maker.invert(own)
        label = EMOTIONS.index(self._scores(own[None], None)[0]["read"])
        both = np.stack([own, maker.render(z, [label])[0]])
        page = self._grid("Your face, and rebuilt", both, self._scores(both, None))
        if maker.conditional:
            seven = maker.all_emotions(z)
            page += self._grid("Your face in the seven emotions", seven, self._scores(seven, range(len(EMOTIONS))))
        varied = maker.render(maker.variations(z, _VARIATIONS, seed=seed), [label] * _VARIATIONS)
        return page + self._grid("Variations of your face", varied, self._scores(varied, None))

    def _scores(self, faces: Faces, labels: Sequence[int] | NDArray[np.int64] | None) -> list[Score]:
        """Let the best classifier read each face."""
        rows = self.models.predictor(self.models.best).classify(list(faces))
        asked = [None] * len(rows) if labels is None else [EMOTIONS[label] for label in labels]
        return [
            {"asked": name, "read": EMOTIONS[row.argmax()], "sure": round(float(row.max()), 4)}
            for row, name in zip(rows, asked, strict=True)
        ]

    def _grid(self, title: str, faces: Faces, scores: Sequence[Score]) -> str:
        return show.grid(title, [(face, _caption(**score)) for face, score in zip(faces, scores, strict=True)])


def build(models: Models) -> None:
    """Lay the tab out."""
    acts, usable = Generate(models), bool(models.generators) and models.best is not None
    if not models.generators:
        gr.HTML(show.note(NO_GENERATOR, "warning"))
    with gr.Row():
        with gr.Column(min_width=280, scale=2):
            generator = show.chooser("Generator", models.generators, models.broken, "generator")
            asked = [(say(name), name) for name in (ALL, RANDOM, *EMOTIONS)]
            emotion = gr.Dropdown(asked, value=ALL, label=say("Emotion"), elem_id="emotion")
            number = gr.Slider(1, 64, 14, step=1, label=say("Number of faces"), elem_id="number")
            seed = gr.Number(0, label=say("Seed"), precision=0, minimum=0, maximum=2**32 - 1, elem_id="seed")
            spread = "Less: safer faces that differ less"
            truncation = gr.Slider(0.1, 1, 0.8, step=0.05, label=say("Truncation"), info=spread)
            with gr.Accordion(say("Start from your own face"), open=False):
                photo = Photo(label=say("Photo of a face"), height=220, elem_id="own", alt_text="Your photo")
                can = gr.HTML(_can(models, generator.value))
            button = gr.Button(say("Generate"), variant="primary", interactive=usable, elem_id="make")
        with gr.Column(min_width=300, scale=5):
            made = gr.HTML(show.note("Press Generate."), elem_id="made", min_height=300)
    inputs = [generator, emotion, number, seed, truncation]
    busy: dict[str, Any] = {"concurrency_id": "generate", "concurrency_limit": 2}
    button.click(acts.show, [*inputs, photo], [made], api_visibility="private", **busy)
    generator.change(lambda name: _can(models, name), [generator], [can], queue=False, api_visibility="private")
    caller, sheet, data = gr.Button(visible=False), gr.Image(visible=False, format="png"), gr.JSON(visible=False)
    caller.click(acts.generate, inputs, [sheet, data], api_name="generate", **busy)


def _labels(emotion: str, number: int, seed: int) -> NDArray[np.int64]:
    """Give the emotion of each face, (number,)."""
    if emotion == ALL:
        return np.arange(number) % len(EMOTIONS)
    if emotion == RANDOM:
        return np.random.default_rng(seed).integers(len(EMOTIONS), size=number)
    return np.full(number, EMOTIONS.index(emotion))


def _caption(asked: str | None, read: str, sure: float) -> list[tuple[str, str]]:
    """Give the lines under a face, each with the emotion whose colour it has."""
    told = [] if asked is None else [(f"{here('asked')}: {here(asked)}", asked)]
    return [*told, (f"{here('read as')}: {here(read)} {sure:.2f}", read)]


def _summary(scores: Sequence[Score], judge: str | None) -> str:
    asked = [score for score in scores if score["asked"]]
    if not asked:
        return f"{len(scores)} faces. This generator can't be asked for an emotion; {judge} reads what they show."
    right = sum(score["asked"] == score["read"] for score in asked)
    return f"{right} of {len(asked)} faces are read as what was asked for, by {judge}."


def _can(models: Models, name: str | None) -> str:
    """Say what the chosen generator can do with a photo."""
    entry = next((entry for entry in models.generators if entry.name == name), None)
    if entry is None:
        return ""
    return show.note(_abilities(entry.name, entry.inverts), "info" if entry.inverts else "warning")


def _abilities(name: str, inverts: bool) -> str:
    if not inverts:
        return f"{name} can't start from a given face: choose a VAE."
    return (
        f"{name} rebuilds the face, varies it and, if it can be asked for one, draws it in each of the seven emotions."
    )


def _walk(faces: Faces) -> str:
    """Show the way from one face to another, and back, as an animation."""
    enlarged = [cv2.resize(face, (96, 96), interpolation=cv2.INTER_CUBIC) for face in faces]
    return show.figure("A walk from one face to another, and back", animation(enlarged), "gif")
