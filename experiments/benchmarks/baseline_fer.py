"""Time the package ``fer`` (https://github.com/JustinShenk/fer), for ``prediction.py --baseline PYTHON``.

Runs in an environment of its own, where ``pip install fer tensorflow "setuptools<80" "opencv-contrib-python<5"`` was
done, so it imports none of our packages. Its network is a mini-Xception: in Keras, or as a smaller one in TensorFlow
Lite, which it takes by itself and which sees one face at a time. Keras' ``predict`` for one face after the other is
what ``deepface`` does.
"""

import json
import sys
from collections.abc import Callable

import numpy as np

from clock import clocked

try:
    import facenet_pytorch  # noqa: F401  torch must come before TensorFlow, whose LLVM it can't be loaded after
    from fer.fer import FER
except ImportError as error:
    sys.exit(f"{sys.executable} can't import the package fer ({error}): give another interpreter")


def main(path: str, rounds: int) -> None:
    """Print the milliseconds of each way as JSON, a list with one number a round."""
    pictures = np.load(path)
    frame, one = pictures["frame"], pictures["face"][None].astype(np.float32) / 255
    many = one.repeat(64, 0)
    lite, keras, mtcnn = FER(), FER(use_tflite=False), FER(mtcnn=True)
    network = FER._model_cache
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "fer, TFLite: one face": (1, lambda: lite._classify_emotions(one)),
        "fer, TFLite: 64 faces": (64, lambda: lite._classify_emotions(many)),
        "fer, Keras: one face": (1, lambda: keras._classify_emotions(one)),
        "fer, Keras: 64 faces": (64, lambda: keras._classify_emotions(many)),
        "deepface's way: 64 faces": (64, lambda: [network.predict(one[..., None], verbose=0) for _ in many]),
        "fer: frame, Haar": (1, lambda: lite.detect_emotions(frame)),
        "fer: frame, MTCNN": (1, lambda: mtcnn.detect_emotions(frame)),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (parts, work) in ways.items():
            taken[name].append(clocked(work) / parts)
    print(json.dumps(taken))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
