"""``fer-models predict``: photos, folders, films and cameras, one after the other."""

import json
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fer_data.errors import ImageError, UserError, check_range
from fer_data.files import write_atomically
from fer_data.images import decode
from fer_models.drawing import annotate
from fer_models.films.sources import expand, is_camera, is_film
from fer_models.films.video import FilmSummary, annotate_film
from fer_models.predict import EmotionPredictor, load
from fer_models.results import FacePrediction, FrameResult
from fer_models.table import ResultTable

_PHOTO, _FILM, _TIMELINE = ".png", ".mp4", "-timeline.png"

_RANGES = {"every": (1, 1e6), "batch_size": (1, 4096), "smooth": (0, 60), "detect_every": (1, 1e6), "side": (64, 1e5)}


def run(options: Namespace) -> int:
    """Predict all sources; one that can't be read doesn't stop the others, but makes the exit status 1."""
    for option, limits in _RANGES.items():
        check_range(f"--{option.replace('_', '-')}", getattr(options, option), *limits)
    if options.resume and options.csv is None:
        raise UserError("--resume goes on with a table: give --csv FILE too")
    names = expand(options.inputs, options.save)
    if options.save is not None:
        _prepare(options.save, names)
    predictor = load(options.model, options.device, options.backend, uncertain=options.uncertain)
    table = nullcontext() if options.csv is None else ResultTable(options.csv, resume=options.resume)
    with table as rows, _progress(list(names)) as advance:
        report = _Report(as_json=options.json, table=rows)
        for i, (source, name) in enumerate(names.items()):
            if rows is None or not rows.has(source):
                copy = None if options.save is None else str(options.save / name)
                try:
                    if is_film(source):
                        _film(options, predictor, report, source, copy, partial(advance, i))
                    else:
                        _photo(options, predictor, report, source, copy)
                except ImageError as error:
                    report.error(source, str(error))
            advance(i, 1.0)
    return int(report.failed)


def _prepare(folder: Path, names: Mapping[str, Path]) -> None:
    """Make the folder for copies, and refuse one where a copy would take a source's place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--save {folder}: can't make this folder ({error.strerror})") from error
    # Only a source with a copy's name can be in the way, and to resolve all names of a large folder takes long.
    inputs = {Path(source).resolve() for source in names if "-faces" in Path(source).name}
    for copy in (folder / f"{name}{ending}" for name in names.values() for ending in (_PHOTO, _FILM, _TIMELINE)):
        if inputs and copy.resolve() in inputs:
            raise UserError(f"--save would write its copy over the photo or film {copy}: choose another folder")


@contextmanager
def _progress(sources: Sequence[str]) -> Iterator[Callable[[int, float], None]]:
    """Show on a terminal how many sources are done and the time left; nothing for a camera, which has no end.

    Yields:
        What is to be called with the number of a source and the share of it that is done.
    """
    console = Console(stderr=True)
    columns = TextColumn("Predicting"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    hidden = not console.is_terminal or any(map(is_camera, sources))
    with Progress(*columns, console=console, disable=hidden, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task("", total=len(sources))
        yield lambda number, share: bar.update(task, completed=number + share)


class _Report:
    """Tell results as text or as JSON lines, and put them into the table."""

    def __init__(self, *, as_json: bool, table: ResultTable | None) -> None:
        self.as_json, self.table, self.failed = as_json, table, False
        self._emotions: dict[int | None, str] = {}

    def photo(self, source: str, faces: Sequence[FacePrediction]) -> None:
        """Tell a photo's faces."""
        if self.table is not None:
            self.table.add_photo(source, faces)
        dicts = [face.to_dict() for face in faces]
        self._say({"file": source, "faces": dicts, "error": None}, lambda: _photo_text(source, dicts))

    def frame(self, source: str, result: FrameResult) -> None:
        """Tell a frame's faces; as text only a camera's changes, as a film is summed up at its end."""
        if self.table is not None:
            self.table.add_frame(source, result)
        changed = [face for face in result.faces if self._emotions.get(face.track) != face.emotion]
        text = ", ".join(f"face {face.track} {face.emotion} {face.confidence:.2f}" for face in changed)
        self._emotions.update((face.track, face.emotion) for face in changed)
        spoken = f"{source}: {result.time:.1f} s, {text}" if is_camera(source) and changed else ""
        self._say({"file": source, **result.to_dict(), "error": None}, lambda: spoken)

    def film(self, source: str, summary: FilmSummary) -> None:
        """Sum a film up, and tell if it was damaged."""
        self._emotions.clear()
        if not self.as_json:
            print(_film_text(source, summary), flush=True)
        if summary.damage:
            self.error(source, summary.damage)

    def error(self, source: str, sentence: str) -> None:
        """Tell why a source could not be read."""
        self.failed = True
        if self.table is not None:
            self.table.add_error(source, sentence)
        if self.as_json:
            self._say({"file": source, "faces": [], "error": sentence}, str)
        else:
            print(sentence, file=sys.stderr, flush=True)

    def _say(self, row: dict[str, Any], text: Callable[[], str]) -> None:
        line = json.dumps(row, ensure_ascii=False) if self.as_json else text()
        if line:
            print(line, flush=True)


def _photo(options: Namespace, predictor: EmotionPredictor, report: _Report, source: str, copy: str | None) -> None:
    image = decode(source)
    faces = predictor(image, options.batch_size)
    if copy is not None:
        write_atomically(Path(copy + _PHOTO), annotate(image, faces))
    report.photo(source, faces)


def _film(
    options: Namespace,
    predictor: EmotionPredictor,
    report: _Report,
    source: str,
    copy: str | None,
    progress: Callable[[float], None],
) -> None:
    with _until_ctrl_c() if is_camera(source) else nullcontext(lambda: False) as stop:
        summary = annotate_film(
            source,
            None if copy is None else Path(copy + _FILM),
            predictor,
            timeline=None if copy is None else Path(copy + _TIMELINE),
            on_frame=partial(report.frame, source),
            progress=progress,
            stop=stop,
            every=options.every,
            smooth=options.smooth,
            detect_every=options.detect_every,
            side=options.side,
            batch_size=1 if is_camera(source) else options.batch_size,
        )
    report.film(source, summary)


@contextmanager
def _until_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Make Ctrl-C the end of a camera's film and not of the program; give what tells whether it was pressed."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def _photo_text(source: str, faces: Sequence[Mapping[str, Any]]) -> str:
    if not faces:
        return f"{source}: no face found"
    lines = [f"{source}: {len(faces)} face{'s' * (len(faces) > 1)}"]
    for face in faces:
        x1, y1, x2, y2 = (round(x) for x in face["box"])
        shares = _shares(face["probabilities"])
        lines.append(f"  {face['emotion']:9} at ({x1}, {y1})-({x2}, {y2}), found with {face['score']:.2f}: {shares}")
    return "\n".join(lines)


def _film_text(source: str, summary: FilmSummary) -> str:
    found = f"{len(summary.tracks)} face{'s' * (len(summary.tracks) != 1)}" if summary.tracks else "no face found"
    lines = [f"{source}: {summary.frames:,} frames up to {summary.seconds:.1f} s, {found}"]
    for face in summary.tracks:
        span = f"{face.first:.1f} to {face.last:.1f} s, {face.frames:,} frame{'s' * (face.frames != 1)}"
        lines.append(f"  face {face.track}, {span}: {_shares(face.probabilities)}")
    return "\n".join(lines)


def _shares(probabilities: Mapping[str, float]) -> str:
    ranked = sorted(probabilities.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{emotion} {p:.2f}" for emotion, p in ranked[:3])
