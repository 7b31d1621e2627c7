"""The tab that makes faces."""

import io
from typing import Any, NamedTuple

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError
from fer_data.faces import crop
from fer_demo import show
from fer_demo.models import Models
from fer_demo.safety import Photo, sentences, temporary_file
from fer_models.generate import FaceGenerator

Faces = NDArray[np.uint8]
Captioned = list[tuple[Faces, str]]

ALL, RANDOM = "all seven in turn", "random"
_SIDE = 144
"""Faces are shown enlarged threefold, in pixels."""

_STEPS = 24
_VARIATIONS = 7


class Made(NamedTuple):
    """What one click makes."""

    faces: Captioned
    seven: Captioned
    walk: str
    yours: Captioned


class Generate:
    """What the tab's button does."""

    def __init__(self, models: Models) -> None:
        self.models = models

    @sentences()
    def generate(
        self, generator: str, emotion: str, number: int, seed: int, truncation: float
    ) -> tuple[Captioned, dict[str, Any]]:
        """Make faces, and let a classifier say what they show.

        Args:
            generator: The name of a checkpoint, e.g. cgan.
            emotion: One of the seven, "all seven in turn" or "random"; some generators can't be asked for one.
            number: How many, 1 to 64.
            seed: The same seed gives the same faces.
            truncation: 0.1 to 1; less gives safer faces that differ less.

        Returns:
            The faces with captions, and {"seed", "faces"}: each face has what it was "asked" for (null where the generator
            can't be asked), what it was "read" as, and how surely, 0 to 1.
        """
        maker = self.models.generator(generator)
        labels = _labels(emotion, int(number), int(seed))
        faces = maker.sample(labels, int(seed), truncation)
        scores = self._scores(faces, labels if maker.conditional else None)
        return _captioned(faces, scores), {"seed": int(seed), "faces": scores}

    @sentences()
    def show(
        self, generator: str, emotion: str, number: int, seed: int, truncation: float, photo: Faces | None
    ) -> list[Any]:
        """Make faces, seven emotions of one latent, a walk between two latents, and faces around the given one."""
        faces, told = self.generate(generator, emotion, number, seed, truncation)
        maker = self.models.generator(generator)
        seven = self._seven(maker, int(seed), truncation)
        yours = [] if photo is None else self._yours(maker, photo, int(seed))
        return [
            gr.Gallery(faces, visible=True),
            show.note(_summary(told["faces"], self.models.best)),
            gr.Gallery(seven, visible=bool(seven)),
            gr.Image(_walk(maker, _labels(emotion, 1, int(seed))[0], int(seed), truncation), visible=True),
            gr.Gallery(yours, visible=bool(yours)),
        ]

    def _seven(self, maker: FaceGenerator, seed: int, truncation: float) -> Captioned:
        """Draw the seven emotions of the first latent, if the generator can be asked for one."""
        if not maker.conditional:
            return []
        faces = maker.all_emotions(maker.latents(1, seed, truncation))
        return _captioned(faces, self._scores(faces, range(len(EMOTIONS))))

    def _yours(self, maker: FaceGenerator, photo: Faces, seed: int) -> Captioned:
        """Start from a photo's largest face: as it is, rebuilt, in each emotion, and varied."""
        found = self.models.detector.detect([photo])[0]
        if not found:
            raise UserError("no face was found in your photo: try a closer, brighter one")
        own = crop(photo, found[0], size=48)
        z = maker.invert(own)
        label = EMOTIONS.index(self._scores(own[None], None)[0]["read"])
        rebuilt = maker.render(z, [label])
        made = [(_large(own), "your face"), (_large(rebuilt[0]), "rebuilt")]
        if maker.conditional:
            made += _captioned(seven := maker.all_emotions(z), self._scores(seven, range(len(EMOTIONS))))
        varied = maker.render(maker.variations(z, _VARIATIONS, seed=seed), [label] * _VARIATIONS)
        return made + [(_large(face), f"variation {i}") for i, face in enumerate(varied, 1)]

    def _scores(self, faces: Faces, labels: Any) -> list[dict[str, Any]]:
        """Let the best classifier read each face."""
        rows = self.models.predictor(self.models.best).classify(list(faces))
        asked = [None] * len(rows) if labels is None else [EMOTIONS[label] for label in labels]
        return [
            {"asked": name, "read": EMOTIONS[row.argmax()], "sure": round(float(row.max()), 4)}
            for row, name in zip(rows, asked, strict=True)
        ]


def build(models: Models) -> None:
    """Lay the tab out."""
    acts, usable = Generate(models), bool(models.generators) and models.best is not None
    if not models.generators:
        gr.HTML(show.note("No generator is here yet: train one and export it to checkpoints/, as the README says.", "warning"))
    with gr.Row():
        with gr.Column(min_width=280, scale=2):
            generator = gr.Dropdown(
                [(entry.label, entry.name) for entry in models.generators], label="Generator", interactive=usable,
                value=models.generators[0].name if models.generators else None, elem_id="generator",
            )  # fmt: skip
            emotion = gr.Dropdown([ALL, RANDOM, *EMOTIONS], value=ALL, label="Emotion", elem_id="emotion")
            number = gr.Slider(1, 64, 14, step=1, label="Number of faces", elem_id="number")
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**32 - 1, elem_id="seed")
            truncation = gr.Slider(
                0.1, 1, 0.8, step=0.05, label="Truncation", info="Less: safer faces that differ less"
            )  # fmt: skip
            with gr.Accordion("Start from your own face", open=False):
                photo = Photo(label="Photo of a face", height=220, elem_id="own", alt_text="Your photo")
                can = gr.HTML(_abilities(models, models.generators[0].name if models.generators else None))
            button = gr.Button("Generate", variant="primary", interactive=usable, elem_id="make")
        with gr.Column(min_width=300, scale=5):
            said = gr.HTML(show.note("Press Generate."), elem_id="made")
            faces = _gallery("Faces", "faces", 7, visible=True)
            seven = _gallery("Seven emotions of one latent (the first face's)", "seven", 7)
            walk = gr.Image(
                label="A walk from one face to another, and back", visible=False, interactive=False, height=220,
                elem_id="walk", alt_text="Animation: one face becomes another", buttons=["download"],
            )  # fmt: skip
            yours = _gallery("From your face", "yours", 8)
    inputs = [generator, emotion, number, seed, truncation]
    hidden: dict[str, Any] = {"api_visibility": "private"}
    busy: dict[str, Any] = {"concurrency_id": "generate", "concurrency_limit": 2}
    outputs = [faces, said, seven, walk, yours]
    button.click(acts.show, [*inputs, photo], outputs, show_progress_on=faces, **hidden, **busy)
    generator.change(lambda name: _abilities(models, name), [generator], [can], queue=False, **hidden)
    caller, data = gr.Button(visible=False), gr.JSON(visible=False)
    caller.click(acts.generate, inputs, [faces, data], api_name="generate", **busy)


def _gallery(label: str, name: str, columns: int, visible: bool = False) -> gr.Gallery:
    return gr.Gallery(
        label=label, columns=columns, visible=visible, interactive=False, format="png", object_fit="contain",
        height="auto", elem_id=name, elem_classes="fer-gallery", buttons=["download", "download_all", "fullscreen"],
    )  # fmt: skip


def _labels(emotion: str, number: int, seed: int) -> NDArray[np.int64]:
    """Give the emotion of each face, (number,)."""
    if emotion == ALL:
        return np.arange(number) % len(EMOTIONS)
    if emotion == RANDOM:
        return np.random.default_rng(seed).integers(len(EMOTIONS), size=number)
    return np.full(number, EMOTIONS.index(emotion))


def _captioned(faces: Faces, scores: list[dict[str, Any]]) -> Captioned:
    return [(_large(face), _caption(**score)) for face, score in zip(faces, scores, strict=True)]


def _caption(asked: str | None, read: str, sure: float) -> str:
    return f"asked: {asked}; read as: {read} {sure:.2f}" if asked else f"read as: {read} {sure:.2f}"


def _summary(scores: list[dict[str, Any]], judge: str | None) -> str:
    asked = [score for score in scores if score["asked"]]
    if not asked:
        return f"{len(scores)} faces. This generator can't be asked for an emotion; {judge} reads what they show."
    right = sum(score["asked"] == score["read"] for score in asked)
    return f"{right} of {len(asked)} faces are read as what was asked for, by {judge}."


def _abilities(models: Models, name: str | None) -> str:
    """Say what the generator can do with a face."""
    if name is None:
        return ""
    maker = models.generator(name)
    if not maker.inverts:
        return show.note(f"{name} can't start from a given face: choose a VAE.", "warning")
    seven = " and in each of the seven emotions" if maker.conditional else ""
    return show.note(f"{name} rebuilds the face, with variations{seven}.")


def _walk(maker: FaceGenerator, label: int, seed: int, truncation: float) -> str:
    """Write the way from one latent to another and back as an animation; give the file."""
    faces = maker.interpolate(int(label), seed, _STEPS, truncation)
    frames = [Pillow.fromarray(_large(face)) for face in (*faces, *faces[-2:0:-1])]
    with io.BytesIO() as content:
        frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
        return temporary_file("walk.gif", content.getvalue())


def _large(face: Faces) -> Faces:
    """Enlarge a face to 144x144."""
    return np.asarray(cv2.resize(face, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)
