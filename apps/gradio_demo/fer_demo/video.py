"""The tab that follows the faces of a film."""

import shutil
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import gradio as gr

from fer_data.errors import UserError
from fer_demo import show
from fer_demo.models import Models
from fer_demo.safety import FILM_BYTES, FILM_SECONDS, sentences, temporary_folder, uploaded
from fer_demo.words import here, say
from fer_models.films.video import FilmSummary, annotate_film, open_film
from fer_models.table import ResultTable

PATIENCE = 300.0
"""Seconds after which no further frame is looked at."""

_FPS = 15
"""Frames a second that are looked at; a film with more is thinned out."""

_SIDE = 1280

LIMITS = f"MP4, MOV, WebM, MKV or AVI, at most {FILM_BYTES // 1_000_000} MB. The first {FILM_SECONDS} seconds are used."


class Video:
    """What the tab's button does."""

    def __init__(self, models: Models) -> None:
        self.models = models

    @sentences()
    def video(
        self,
        film: str | None,
        classifier: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio wants it so)
    ) -> tuple[str, str, str, str]:
        """Follow the faces of a film and name their emotions.

        Args:
            film: MP4, MOV, WebM, MKV or AVI, at most 100 MB; its first 60 seconds are used.
            classifier: The name of a checkpoint, e.g. cnn.
            progress: Shows how far it is.

        Returns:
            The annotated film (MP4), a picture of the emotions over time (PNG), a table with a row for each face of
            each frame (CSV), and a summary (HTML).
        """
        if film is None:
            raise UserError("there is no film yet: drop one into the field")
        path, folder = uploaded(film), temporary_folder()
        try:
            return self._annotated(path, folder, classifier, progress)
        except UserError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise UserError(str(error).replace(str(path), path.name).replace(film, path.name)) from None

    def _annotated(self, film: Path, folder: Path, classifier: str, progress: Any) -> tuple[str, str, str, str]:
        start = monotonic()
        out, timeline, table = folder / "faces.mp4", folder / "timeline.png", folder / "faces.csv"
        every, length = _look(film)
        with ResultTable(table) as rows:
            summary = annotate_film(
                film,
                out,
                self.models.predictor(classifier),
                timeline=timeline,
                on_frame=lambda result: rows.add_frame(film.name, result),
                progress=lambda share: progress(share, desc="Following faces"),
                every=every,
                max_seconds=FILM_SECONDS,
                stop=lambda: monotonic() - start > PATIENCE,
                max_side=_SIDE,
            )
        return str(out), str(timeline), str(table), _said(summary, length, monotonic() - start)


def build(models: Models) -> None:
    """Lay the tab out."""
    acts, usable = Video(models), models.best is not None
    with gr.Row():
        with gr.Column(min_width=300):
            film = gr.Video(label=say("Film"), sources=["upload"], height=300, elem_id="film")
            gr.HTML(show.note(LIMITS))
            classifier = show.chooser("Model", models.classifiers, models.broken, "film-model")
            button = gr.Button(say("Follow the faces"), variant="primary", interactive=usable, elem_id="follow")
        with gr.Column(min_width=300):
            out = gr.Video(label=say("With emotions"), interactive=False, elem_id="film-out", height=340)
            said = gr.HTML(elem_id="film-said")
            timeline = gr.Image(
                show_label=False,
                interactive=False,
                elem_id="timeline",
                buttons=["download", "fullscreen"],
                alt_text="For each face, how likely each emotion was over time",
            )
            table = gr.File(label=say("Table (CSV)"), interactive=False, elem_id="table")
    button.click(
        acts.video, [film, classifier], [out, timeline, table, said], api_name="video", concurrency_limit=1,
        concurrency_id="film", show_progress_on=out,
    )  # fmt: skip


def _look(path: Path) -> tuple[int, float | None]:
    """Give which frames to use (each so manieth) and how long the film says it is.

    Raises:
        UserError: It is too large.
    """
    if path.stat().st_size > FILM_BYTES:
        raise UserError(f"the film has more than {FILM_BYTES // 1_000_000} MB: cut it or save it smaller")
    with open_film(path) as film:
        times = [time for _, time, _ in islice(film.frames(), 10)]
        fps = (len(times) - 1) / max(times[-1] - times[0], 0.01)
        return max(1, round(fps / _FPS)), film.seconds


def _said(summary: FilmSummary, length: float | None, took: float) -> str:
    """Sum a film up in sentences."""
    count = len(summary.tracks)
    notes = show.note(f"{summary.frames} frames, {count} face{'s' * (count != 1)}, in {took:.1f} seconds.")
    used = min(FILM_SECONDS, round(summary.seconds))
    if length is not None and length > used + 1:
        notes += show.note(f"The film is {length:.0f} seconds long: its first {used} seconds were used.", "warning")
    if not summary.tracks:
        notes += show.note("No face was found in it.", "warning")
    if summary.damage is not None:
        notes += show.note("The film is damaged or cut short: what could be read was used.", "warning")
    rows = [
        [f"{track.track}", f"{track.first:.1f} to {track.last:.1f} s", f"{here(name)} {chance:.0%}"]
        for track in summary.tracks[:8]
        for chance, name in [max((chance, name) for name, chance in track.probabilities.items())]
    ]
    return notes + (show.table(["face", "seen", "mostly"], rows, "Faces, the longest first") if rows else "")
