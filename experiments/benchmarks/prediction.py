"""Speed of prediction: ``python experiments/benchmarks/prediction.py --model cnn``.

Milliseconds a face for the network alone, one face and 64 faces at once, on each backend; milliseconds to find and
classify the face of a frame of 640 x 480; and frames a second of a film of such frames, decoded and followed, beside
the plain way: search each frame in full size and classify its face alone. All take turns, so that other work hits all
alike. With ``--baseline`` the package ``fer`` is measured right after, by an interpreter that has it.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data

from clock import clocked
from fer_data.errors import UserError, check_range, sentences
from fer_models.backends import BACKENDS
from fer_models.films.stream import EmotionStream
from fer_models.films.video import annotate_film, open_film, open_writer
from fer_models.predict import EmotionPredictor, load
from fer_models.provenance import machine

WIDTH, HEIGHT, FPS = 640, 480, 30

RATIOS = (
    ("onnx: one face", "torch: one face"),
    ("onnx-int8: one face", "onnx: one face"),
    ("onnx: 64 faces", "torch: 64 faces"),
    ("film, followed", "film, the plain way"),
    ("film, followed and annotated", "film, the plain way"),
    ("auto: one face", "fer, Keras: one face"),
    ("auto: one face", "fer, TFLite: one face"),
    ("onnx-int8: one face", "fer, TFLite: one face"),
    ("auto: 64 faces", "fer, Keras: 64 faces"),
    ("auto: 64 faces", "fer, TFLite: 64 faces"),
    ("onnx-int8: 64 faces", "fer, Keras: 64 faces"),
    ("auto: 64 faces", "deepface's way: 64 faces"),
    ("frame, searched in full", "fer: frame, MTCNN"),
    ("frame, searched in full", "fer: frame, Haar"),
)
"""What is compared with what, where both were measured."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure as the command line says and print the figures with their ratios."""
    parser = ArgumentParser(prog="prediction.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", default="cnn", help="as for fer-models predict (default: cnn)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of torch and OpenCV (default: 1)")
    parser.add_argument("--frames", type=int, default=90, help="of the film (default: 90)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default: 5)")
    parser.add_argument("--baseline", metavar="PYTHON", help="interpreter that has the package fer")
    options = parser.parse_args(argv)
    with sentences():
        check_range("--frames", options.frames, 1)
        check_range("--rounds", options.rounds, 1)
        check_range("--threads", options.threads, 1)
        torch.set_num_threads(options.threads)
        cv2.setNumThreads(options.threads)
        print(f"{machine()}; {options.model}, {options.threads} threads, {options.rounds} rounds")
        taken = measure(backends(options.model, options.device), options.frames, options.rounds)
        if options.baseline:
            taken |= baseline(options.baseline, options.rounds)
        report(taken)


def backends(model: str, device: str) -> dict[str, EmotionPredictor]:
    """Load a classifier for each backend that it has; the first is the one that is taken by itself."""
    found = {"auto": load(model, device)}
    for name in BACKENDS[1:]:
        try:
            found[name] = load(model, device, name)
        except UserError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return found


def measure(predictors: dict[str, EmotionPredictor], count: int, rounds: int) -> dict[str, list[float]]:
    """Give the milliseconds of each way, a number a round."""
    frame, predictor = scene(0), predictors["auto"]
    faces = [np.ascontiguousarray(frame[:48, :48])] * 64
    alone: dict[str, tuple[int, Callable[[], object]]] = {}
    for name, other in predictors.items():
        alone[f"{name}: one face"] = (1, lambda other=other: other.classify(faces[:1]))  # type: ignore[misc]
        alone[f"{name}: 64 faces"] = (64, lambda other=other: other.classify(faces))  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        with open_writer(film) as writer:
            for i in range(count):
                writer.write(scene(i), i / FPS)
        milliseconds = {
            **alone,
            "frame, searched in full": (1, lambda: predictor(frame)),
            "film, the plain way": (count, lambda: plainly(predictor, film)),
            "film, followed": (count, lambda: annotate_film(film, None, predictor)),
            "film, followed and annotated": (count, lambda: annotate_film(film, Path(folder, "out.mp4"), predictor)),
            "camera, followed": (count, lambda: live(predictor, count)),
        }
        taken: dict[str, list[float]] = {name: [] for name in milliseconds}
        for _ in range(rounds):
            for name, (parts, work) in milliseconds.items():
                taken[name].append(clocked(work) / parts)
    return taken


def baseline(python: str, rounds: int) -> dict[str, list[float]]:
    """Measure the package ``fer`` on the same frame, in its own environment.

    Raises:
        UserError: That environment hasn't got it.
    """
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder, "pictures.npz")
        np.savez(pictures, frame=scene(0), face=scene(0)[:64, :64, 0])
        command = [python, str(Path(__file__).with_name("baseline_fer.py")), str(pictures), str(rounds)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            raise UserError(f"--baseline {python} failed: {said.strip().splitlines()[-1]}") from error
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(taken: dict[str, list[float]]) -> None:
    """Print milliseconds and what they make a second, then the ratios of ways that took turns."""
    for name, values in taken.items():
        middle = statistics.median(values)
        print(f"{name:36} {middle:8.2f} ms {1000 / middle:8.1f}/s   ({min(values):.2f} to {max(values):.2f} ms)")
    for fast, slow in RATIOS:
        if fast not in taken or slow not in taken:
            continue
        ratios = [b / a for a, b in zip(taken[fast], taken[slow], strict=True)]
        print(f"{fast} is {statistics.median(ratios):.1f} times as fast as {slow}")


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
