"""``fer-models generate``: faces as a grid, single files, arrays or an animation."""

import io
import math
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_data.emotions import EMOTIONS, emotion_index
from fer_data.errors import UserError, check_range
from fer_data.files import write_atomically

if TYPE_CHECKING:
    from fer_models.generate import FaceGenerator, Faces

MOST = 10_000


def add_options(parser: ArgumentParser) -> None:
    """Add the options of ``generate``."""
    parser.add_argument(
        "--model", default="cgan", help="name in checkpoints/, a folder, or hf://OWNER/NAME (default: cgan)"
    )
    parser.add_argument("--emotion", default="all", help=f"{', '.join(EMOTIONS)}, all or random (default: all)")
    parser.add_argument("--n", type=int, default=16, help="faces, of each emotion with 'all' (default: 16)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (default: 0)")
    parser.add_argument(
        "--truncation", type=float, default=1.0, help="0 to 1: less gives safer faces that differ less (default: 1)"
    )
    parser.add_argument(
        "--from", dest="photo", metavar="PHOTO", help="start from the face in a photo: its reconstruction, then "
        "variations; with --emotion all, the face in each emotion (vae, dcgan)",
    )  # fmt: skip
    parser.add_argument("--strength", type=float, default=0.5, help="of variations, 0 to 1 (default: 0.5)")
    parser.add_argument(
        "--out", type=Path, default=Path("faces.png"), help="NAME.png: a grid; NAME.gif: a walk from face to face; "
        "NAME.npz: arrays; else a folder of single PNG files (default: faces.png)",
    )  # fmt: skip
    parser.add_argument("--device", default="cpu", help="e.g. cpu or cuda (default: cpu)")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Make the faces and write them."""
    from fer_models.generate import load_generator

    check_range("--n", options.n, 1, MOST)
    check_range("--seed", options.seed, 0, 2**63 - 1)
    check_range("--truncation", options.truncation, 0, 1)
    check_range("--strength", options.strength, 0, 1)
    generator = load_generator(options.model, options.device)
    labels = _labels(options, generator)
    if options.photo:
        faces, labels, columns = _from_photo(options, generator, labels)
    elif options.out.suffix == ".gif":
        faces, columns = _walk(options, generator, labels), 1
    elif options.emotion == "all" and generator.conditional:
        z = generator.latents(options.n, options.seed, options.truncation)
        faces, columns = generator.all_emotions(z), options.n  # each column is one latent
    else:
        faces, columns = generator.sample(labels, options.seed, options.truncation), math.ceil(math.sqrt(options.n))
    _write(options.out, faces, labels, columns)
    print(f"{len(faces)} faces of {generator.checkpoint.name}, seed {options.seed}: {options.out}")
    return 0


def _labels(options: Namespace, generator: "FaceGenerator") -> NDArray[np.int64]:
    """Choose the emotion of each face."""
    if not generator.conditional:
        if options.emotion not in ("all", "random"):
            raise UserError(f"{generator.checkpoint.name} can't be asked for an emotion: leave --emotion out")
        return np.zeros(options.n, np.int64)
    if options.emotion == "all":
        return np.repeat(np.arange(len(EMOTIONS)), options.n)
    if options.emotion == "random":
        drawn: NDArray[np.int64] = np.random.default_rng(options.seed).integers(len(EMOTIONS), size=options.n)
        return drawn
    label = emotion_index(options.emotion)
    if label is None:
        raise UserError(f"--emotion {options.emotion!r}: choose one of {', '.join(EMOTIONS)}, all or random")
    return np.full(options.n, label)


def _walk(options: Namespace, generator: "FaceGenerator", labels: NDArray[np.int64]) -> "Faces":
    steps, kinds = max(2, options.n), np.unique(labels)
    walks = [generator.interpolate(int(k), options.seed, steps, options.truncation) for k in kinds]
    return np.concatenate(walks, axis=2)  # emotions side by side


def _from_photo(
    options: Namespace, generator: "FaceGenerator", labels: NDArray[np.int64]
) -> tuple["Faces", NDArray[np.int64], int]:
    """Give the photo's face, its reconstruction, and variations or all emotions of it."""
    face = _face_in(options.photo, generator.network.input_size, options.device)
    z = generator.invert(face)
    if generator.conditional and options.emotion == "all":
        rows = [face[None], generator.all_emotions(z)]
        return np.concatenate(rows), np.array([-1, *range(len(EMOTIONS))]), 1 + len(EMOTIONS)
    around = generator.variations(z, options.n, options.strength, options.seed)
    rows = [face[None], generator.render(z, labels[:1]), generator.render(around, labels[: options.n])]
    return np.concatenate(rows), np.concatenate([[-1], labels[:1], labels[: options.n]]), options.n + 2


def _face_in(photo: str, size: int, device: str) -> NDArray[np.uint8]:
    """Crop the largest face of a photo, uint8 (size, size)."""
    from fer_data.faces import FaceDetector, crop
    from fer_data.images import decode

    image = decode(photo)
    faces = FaceDetector(device=device).detect([image])[0]
    if not faces:
        raise UserError(f"{photo}: no face found: try a closer, brighter photo")
    largest = max(faces, key=lambda face: (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]))
    return crop(image, largest, size=size)


def _write(out: Path, faces: "Faces", labels: NDArray[np.int64], columns: int) -> None:
    from fer_models.drawing import animation, enlarge, png, tile

    if out.suffix == ".npz":
        buffer = io.BytesIO()
        np.savez_compressed(buffer, faces=faces, labels=labels, emotions=np.array(EMOTIONS))
        write_atomically(out, buffer.getvalue())
    elif out.suffix == ".gif":
        write_atomically(out, animation([enlarge(face) for face in faces]))
    elif out.suffix == ".png":
        write_atomically(out, png(enlarge(tile(faces, columns))))
    elif out.suffix:
        raise UserError(f"--out {out}: end it in .png, .gif or .npz, or give a folder")
    else:
        for index, (face, label) in enumerate(zip(faces, labels, strict=True)):
            name = EMOTIONS[label] if label >= 0 else "given"
            write_atomically(out / f"{index:05}-{name}.png", png(face))
