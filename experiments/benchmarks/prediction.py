"""Speed of prediction: ``python experiments/benchmarks/prediction.py --model cnn``.

Milliseconds a face for the network alone, one face and 64 faces at once; milliseconds to find and classify the face of
a frame of 640 x 480; and frames a second of a film of such frames, decoded and followed, beside the plain way: search
each frame in full size and classify its face alone. Both ways take turns, so that other work hits both alike.
"""

import statistics
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data

from fer_data.errors import check_range, sentences
from fer_models.predict import EmotionPredictor, load
from fer_models.provenance import machine
from fer_models.stream import EmotionStream
from fer_models.video import annotate_film, open_film, open_writer

WIDTH, HEIGHT, FPS = 640, 480, 30


def main(argv: Sequence[str] | None = None) -> None:
    """Measure as the command line says and print the figures with their ratios."""
    parser = ArgumentParser(prog="prediction.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", default="cnn", help="as for fer-models predict (default: cnn)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch and OpenCV (default: 1)")
    parser.add_argument("--frames", type=int, default=90, help="of the film (default: 90)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default: 5)")
    options = parser.parse_args(argv)
    with sentences():
        check_range("--frames", options.frames, 1)
        check_range("--rounds", options.rounds, 1)
        check_range("--threads", options.threads, 1)
        torch.set_num_threads(options.threads)
        cv2.setNumThreads(options.threads)
        print(f"{machine()}; {options.model}, {options.threads} threads, {options.rounds} rounds")
        measure(load(options.model, options.device), options.frames, options.rounds)


def measure(predictor: EmotionPredictor, count: int, rounds: int) -> None:
    """Print medians over the rounds."""
    frame = scene(0)
    faces = [np.ascontiguousarray(frame[:48, :48])] * 64
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        with open_writer(film) as writer:
            for i in range(count):
                writer.write(scene(i), i / FPS)
        milliseconds = {
            "one face, network alone": (1, lambda: predictor.classify(faces[:1])),
            "64 faces, network alone": (64, lambda: predictor.classify(faces, batch_size=64)),
            "frame, searched in full": (1, lambda: predictor(frame)),
            "film, the plain way": (count, lambda: plainly(predictor, film)),
            "film, followed": (count, lambda: annotate_film(film, None, predictor)),
            "film, followed and annotated": (count, lambda: annotate_film(film, Path(folder, "out.mp4"), predictor)),
            "camera, followed": (count, lambda: live(predictor, count)),
        }
        taken: dict[str, list[float]] = {name: [] for name in milliseconds}
        for number in range(rounds + 1):
            for name, (parts, work) in milliseconds.items():
                spent = clocked(work) / parts
                if number:  # the first round warms up
                    taken[name].append(spent)
    report(taken)


def report(taken: dict[str, list[float]]) -> None:
    """Print milliseconds and what they make a second, then the ratios of ways that took turns."""
    for name, values in taken.items():
        middle = statistics.median(values)
        print(f"{name:30} {middle:8.2f} ms {1000 / middle:8.1f}/s   ({min(values):.2f} to {max(values):.2f} ms)")
    for fast, slow in (
        ("64 faces, network alone", "one face, network alone"),
        ("film, followed", "film, the plain way"),
        ("film, followed and annotated", "film, the plain way"),
    ):
        ratios = [b / a for a, b in zip(taken[fast], taken[slow], strict=True)]
        print(f"{fast} is {statistics.median(ratios):.1f} times as fast as {slow}")


def clocked(work: Callable[[], object]) -> float:
    """Give how many milliseconds something takes."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def scene(number: int) -> NDArray[np.uint8]:
    """Draw a frame: a photo of a woman that wanders before a gray wall."""
    frame = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    photo = cv2.resize(data.astronaut(), (384, 384), interpolation=cv2.INTER_AREA)  # type: ignore[no-untyped-call]
    x, y = round(128 + 120 * np.sin(number / 20)), round(48 + 40 * np.sin(number / 15))
    frame[y : y + 384, x : x + 384] = photo
    return frame


def plainly(predictor: EmotionPredictor, film: Path) -> None:
    """Search each frame in full size, and classify its faces by themselves."""
    with open_film(film) as opened:
        for _, _, frame in opened.frames():
            predictor(frame)


def live(predictor: EmotionPredictor, count: int) -> None:
    """Follow frames one by one, each answered before the next comes."""
    viewer = EmotionStream(predictor)
    for i in range(count):
        viewer.update(scene(i), i / FPS)


if __name__ == "__main__":
    main()
