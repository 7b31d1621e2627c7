"""A long film from start to end: ``python experiments/benchmarks/film.py --minutes 10``.

Draws a film of 640 x 480 in which one person wanders about and another enters and leaves every 20 seconds, so that the
number of faces in each frame is known. Tells for each tenth of it the frames a second and the memory in use, whether
the table has the right rows and faces keep their numbers, and what is left of the film when it is cut in the middle.
"""

import csv
import os
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track
from skimage import data

from fer_data.errors import check_range, sentences
from fer_models.films.video import FilmSummary, annotate_film, open_writer
from fer_models.predict import EmotionPredictor, load
from fer_models.provenance import machine
from fer_models.results import FrameResult
from fer_models.table import ResultTable

WIDTH, HEIGHT = 640, 480
CYCLE, COMES, GONE, EDGE = 20.0, 5.0, 15.0, 1.0
"""Seconds: a cycle, when the second person comes and goes in it, and how long crossing the frame's edge takes."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure as the command line says, and print what was found."""
    parser = ArgumentParser(prog="film.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", default="cnn", help="as for fer-models predict (default: cnn)")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the film (default: 10)")
    parser.add_argument("--fps", type=int, default=15, help="its frames a second (default: 15)")
    options = parser.parse_args(argv)
    with sentences(), tempfile.TemporaryDirectory() as folder:
        check_range("--minutes", options.minutes, 0.5, 600)
        check_range("--fps", options.fps, 1, 120)
        count, film = round(60 * options.minutes * options.fps), Path(folder, "film.mp4")
        with open_writer(film) as writer:
            for i in track(range(count), "drawing"):
                writer.write(scene(i / options.fps), i / options.fps)
        predictor = load(options.model)
        print(f"{machine()}; {options.model}; {count:,} frames, {film.stat().st_size / 1e6:.0f} MB")
        whole(film, predictor, count, options.fps)
        content = film.read_bytes()
        film.write_bytes(content[: len(content) // 2])
        rows, summary = predict(film, predictor, Path(folder, "cut.csv"), [])
        print(f"cut in the middle: {summary.frames:,} frames up to {summary.seconds:.1f} s, {len(rows):,} rows, then:")
        print(f"  {summary.damage}")


def whole(film: Path, predictor: EmotionPredictor, count: int, fps: int) -> None:
    """Predict the whole film, and hold what was found against what was drawn."""
    marks: list[tuple[float, float]] = []
    start = time.perf_counter()
    rows, summary = predict(film, predictor, film.with_suffix(".csv"), marks)
    times = np.array([start, *(seconds for seconds, _ in marks)])
    parts = np.linspace(0, count, 11).astype(int)
    tenths = pd.DataFrame(
        {
            "frames/s": np.diff(parts) / np.diff(times[parts]),
            "memory, MB": [marks[end - 1][1] for end in parts[1:]],
        },
        index=pd.Index(range(1, 11), name="tenth"),
    )
    print(tenths.to_string(float_format="{:.1f}".format))
    found = Counter(int(row["frame"]) for row in rows if row["x1"])
    drawn = [faces_at(i / fps) for i in range(count)]
    sure = [i for i in range(count) if drawn[i] is not None]
    right = np.mean([found[i] == drawn[i] for i in sure])
    visits = sum(i * CYCLE + COMES < count / fps for i in range(count))
    print(f"{summary.frames:,} of {count:,} frames; {len(rows):,} rows, {sum(found.values()):,} with a face")
    print(f"faces as drawn in {right:.1%} of {len(sure):,} frames (left out: somebody crosses the edge)")
    print(f"{len(summary.tracks)} tracks; drawn: 1 face that stays, {visits} visits")


def predict(
    film: Path, predictor: EmotionPredictor, table: Path, marks: list[tuple[float, float]]
) -> tuple[list[dict[str, str]], FilmSummary]:
    """Predict as ``fer-models predict --csv`` does; note time and memory (MB) after each frame, and read the table."""

    def note(result: FrameResult) -> None:
        rows.add_frame(str(film), result)
        marks.append((time.perf_counter(), resident()))

    with ResultTable(table) as rows:
        summary = annotate_film(film, None, predictor, on_frame=note, batch_size=16)
    with table.open(newline="") as file:
        return list(csv.DictReader(file)), summary


def faces_at(seconds: float) -> int | None:
    """Tell how many faces a frame has; None while somebody crosses the edge."""
    phase = seconds % CYCLE
    if any(0 <= phase - change <= EDGE + 0.5 for change in (COMES, GONE)):
        return None
    return 2 if COMES < phase < GONE else 1


def scene(seconds: float) -> NDArray[np.uint8]:
    """Draw the frame at a time: a woman who wanders on the left, and her mirror image, which comes from the right."""
    frame = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    photo = data.astronaut()[:280, 90:370]  # type: ignore[no-untyped-call]
    phase = seconds % CYCLE
    inside = np.clip(min(phase - COMES, GONE + EDGE - phase) / EDGE, 0, 1)
    put(frame, photo, 20 + 20 * np.sin(seconds / 2), 80 + 60 * np.sin(seconds / 3))
    if inside > 0:
        put(frame, photo[:, ::-1], WIDTH - 290 * inside, 100 + 40 * np.sin(seconds / 2.5))
    return frame


def put(frame: NDArray[np.uint8], photo: NDArray[np.uint8], x: float, y: float) -> None:
    """Set a photo into a frame, with its upper left corner at x, y; what reaches beyond the frame is cut off."""
    move = np.array([[1, 0, x], [0, 1, y]], np.float32)
    cv2.warpAffine(photo, move, (WIDTH, HEIGHT), frame, borderMode=cv2.BORDER_TRANSPARENT)


def resident() -> float:
    """Give the memory of this process in MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
