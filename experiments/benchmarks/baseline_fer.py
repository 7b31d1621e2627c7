"""Time the package ``fer`` (https://github.com/JustinShenk/fer), for ``prediction.py --baseline PYTHON``.

Runs in an environment of its own, where ``pip install fer`` was done, so it imports nothing of ours. Its network is a
Keras mini-Xception; called for one face after the other it is also what ``deepface`` does.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

try:
    from fer.fer import FER
except ImportError as error:
    sys.exit(f"{sys.executable} has no package fer that can be imported ({error}): give another interpreter")


def main(path: str, rounds: int) -> None:
    """Print the milliseconds of each way as JSON, a list with one number a round."""
    frame, face = (np.load(path)[key] for key in ("frame", "face"))
    haar, mtcnn = FER(), FER(mtcnn=True)
    network = next(value for name, value in vars(haar).items() if name.endswith("emotion_classifier"))
    side = network.input_shape[1]
    one = np.resize(face, (1, side, side, 1)).astype(np.float32) / 255
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "fer: one face, predict()": (1, lambda: network.predict(one, verbose=0)),
        "fer: one face, called": (1, lambda: network(one, training=False)),
        "fer: 64 faces, predict()": (64, lambda: network.predict(one.repeat(64, 0), verbose=0)),
        "fer: 64 faces, called": (64, lambda: network(one.repeat(64, 0), training=False)),
        "deepface's way: 64 faces one by one": (64, lambda: [network.predict(one, verbose=0) for _ in range(64)]),
        "fer: frame, Haar": (1, lambda: haar.detect_emotions(frame)),
        "fer: frame, MTCNN": (1, lambda: mtcnn.detect_emotions(frame)),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (parts, work) in ways.items():
            start = time.perf_counter()
            work()
            if number:  # the first round warms up
                taken[name].append(1000 * (time.perf_counter() - start) / parts)
    print(json.dumps(taken))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
