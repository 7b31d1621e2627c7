"""Judge a generator of faces against a split of FER2013."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_data.emotions import EMOTIONS
from fer_data.errors import DataError, UserError
from fer_data.table import SIZE, USAGES, FaceTable
from fer_models.hub import Checkpoint
from fer_models.judging.cas import Sample
from fer_models.judging.encoder import Encoder
from fer_models.judging.evaluation import SPLITS, Split, predict_faces
from fer_models.metrics.classification import judge
from fer_models.metrics.generation import (
    Neighbours,
    copying,
    diversity,
    frechet_distance,
    inception_fid,
    kernel_distance,
    manifold_metrics,
    nearest,
    nearest_pixels,
)

Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Judgement:
    """What was found out about a generator.

    Attributes:
        metrics: JSON builtins; see ``evaluate_generator``.
        faces: The generated faces, uint8 (N, 48, 48).
        labels: What they were asked to show, int64 (N,).
        neighbours: The nearest Training face of each, by ``features`` and by ``pixels``; indices are positions in the
            table.
    """

    metrics: dict[str, Any]
    faces: NDArray[np.uint8]
    labels: NDArray[np.int64]
    neighbours: dict[str, Neighbours]


def evaluate_generator(
    sample: Sample,
    table: FaceTable,
    split: Split,
    encoder: Encoder,
    classifier: Checkpoint,
    conditional: bool = True,
    seed: int = 0,
) -> Judgement:
    """Compare as many generated faces as a split has, asked for with its labels, with the split's real ones.

    Args:
        sample: The generator.
        table: Real faces.
        split: ``val`` is PublicTest, which selects; ``test`` is PrivateTest, which is reported.
        encoder: Gives the features that all distances are taken in.
        classifier: One that had no part in making the generator.
        conditional: Whether the generator heeds labels. If not, what needs labels is None.
        seed: Of the generator's latents, and of draws of real faces.

    Returns:
        Its metrics hold ``sets``, what ``compare`` says of the ``generated`` faces and of real ones in their place (see
        ``floors``); ``copying`` by ``features`` and by ``pixels``; ``obedience`` and ``obedience_real``, the
        classifier's metrics (see ``judge``) on generated and on the real faces, whose truth is what was asked for; and
        ``inception_fid``.

    Raises:
        UserError: The table lacks faces, or the generator gives something else than asked for.
    """
    usage = SPLITS[split]
    held_out, training = (np.flatnonzero(table.usage == USAGES.index(name)) for name in (usage, "Training"))
    _check_table(table, held_out, training)
    labels = table.labels[held_out].astype(np.int64)
    faces = generate(sample, labels, seed)
    features, made = encoder(table.images), encoder(faces)
    sets = {"generated": compare(features[held_out], made, labels, labels if conditional else None)}
    for name, (real, other) in floors(table, split, seed).items():
        sets[name] = compare(features[real], features[other], table.labels[real], table.labels[other])
    neighbours, copies = _copies(table, held_out, training, features, faces, made)
    metrics = {
        "split": split,
        "usage": usage,
        "n": len(faces),
        "seed": seed,
        "conditional": conditional,
        "classifier": classifier.name,
        "sets": sets,
        "copying": copies,
        "obedience": _read(classifier, faces, labels, encoder.device) if conditional else None,
        "obedience_real": _read(classifier, table.images[held_out], labels, encoder.device),
        "inception_fid": inception_fid(_tensor(table.images[training]), _tensor(faces), encoder.device),
    }
    return Judgement(metrics, faces, labels, neighbours)


def generate(sample: Sample, labels: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
    """Ask a generator for faces.

    Raises:
        UserError: It gives something else than uint8 (N, 48, 48).
    """
    faces = sample(labels, seed)
    wanted = (len(labels), SIZE, SIZE)
    if faces.shape != wanted or faces.dtype != np.uint8:
        raise UserError(f"the generator gave {faces.dtype} {faces.shape}, but must give uint8 {wanted}")
    return faces


def compare(real: Tensor, made: Tensor, real_labels: NDArray[Any], made_labels: NDArray[Any] | None) -> dict[str, Any]:
    """Compare two sets of features (N, D) and (M, D).

    Returns:
        ``n_real``, ``n``, ``fd_fer``, ``kd_fer`` with ``kd_fer_sd``, ``precision``, ``recall``, ``density``,
        ``coverage``; and ``per_emotion``, by emotion: ``n``, ``fd_fer`` and ``diversity``, a share of the real faces'.
        Of an emotion with fewer than two faces in a set these are None, and all are None without labels.
    """
    kd, sd = kernel_distance(real, made)
    return {
        "n_real": len(real),
        "n": len(made),
        "fd_fer": frechet_distance(real, made),
        "kd_fer": kd,
        "kd_fer_sd": sd,
        **manifold_metrics(real, made),
        "per_emotion": None if made_labels is None else _per_emotion(real, made, real_labels, made_labels),
    }


def _per_emotion(
    real: Tensor, made: Tensor, real_labels: NDArray[Any], made_labels: NDArray[Any]
) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for k, emotion in enumerate(EMOTIONS):
        ours, theirs = made[made_labels == k], real[real_labels == k]
        enough = min(len(ours), len(theirs)) > 1
        rows[emotion] = {
            "n": len(ours),
            "fd_fer": frechet_distance(theirs, ours) if enough else None,
            "diversity": diversity(ours) / diversity(theirs) if enough else None,
        }
    return rows


def floors(table: FaceTable, split: Split, seed: int) -> dict[str, tuple[Positions, Positions]]:
    """Choose pairs of real sets, whose distance is what a perfect generator would get.

    Returns:
        ``training``: the split, and as many Training faces with the same labels. The encoder has learnt from these, so
        its features of them differ from those of unseen faces. ``halves``: the split's halves, unseen, but of half the
        size, which makes a Fréchet distance larger. For ``test`` also ``public``: PublicTest, unseen and of the same
        size in FER2013, but harder than PrivateTest. None is perfect, so all are told.
    """
    rng = np.random.default_rng(seed)
    held_out, training = (np.flatnonzero(table.usage == USAGES.index(name)) for name in (SPLITS[split], "Training"))
    shuffled = rng.permutation(held_out)
    half = len(held_out) // 2
    pairs = {
        "training": (held_out, _matching(table.labels, held_out, training, rng)),
        "halves": (shuffled[:half], shuffled[half : 2 * half]),
    }
    public = np.flatnonzero(table.usage == USAGES.index("PublicTest"))
    if split == "test" and len(public) > 1:
        pairs["public"] = (held_out, public)
    return pairs


def _matching(labels: NDArray[np.uint8], asked: Positions, pool: Positions, rng: np.random.Generator) -> Positions:
    """Draw one face of the pool for each asked one, of its emotion, each once as far as they suffice."""
    drawn = asked.copy()
    for label in np.unique(labels[asked]):
        candidates, places = pool[labels[pool] == label], labels[asked] == label
        count = int(places.sum())
        drawn[places] = rng.choice(candidates, count, replace=len(candidates) < count)
    return drawn


def _copies(
    table: FaceTable,
    held_out: Positions,
    training: Positions,
    features: Tensor,
    faces: NDArray[np.uint8],
    made: Tensor,
) -> tuple[dict[str, Neighbours], dict[str, dict[str, float]]]:
    """Find each generated face's nearest Training face, and judge these distances by those of the split's faces."""
    known, unseen = _tensor(table.images[training]), _tensor(table.images[held_out])
    generated = {"features": nearest(made, features[training]), "pixels": nearest_pixels(_tensor(faces), known)}
    real = {"features": nearest(features[held_out], features[training]), "pixels": nearest_pixels(unseen, known)}
    fresh = real["pixels"].distance > 0
    copies = {key: copying(generated[key].distance, real[key].distance, fresh) for key in generated}
    positions = torch.from_numpy(training)
    return {key: replace(found, index=positions[found.index]) for key, found in generated.items()}, copies


def _read(classifier: Checkpoint, faces: NDArray[np.uint8], labels: NDArray[np.int64], device: str) -> dict[str, Any]:
    return judge(predict_faces(classifier, faces, device=device), torch.from_numpy(labels))


def _tensor(faces: NDArray[np.uint8]) -> Tensor:
    return torch.tensor(faces)  # a copy: memory maps are read-only, which torch warns of


def _check_table(table: FaceTable, held_out: Positions, training: Positions) -> None:
    if len(held_out) < 8:
        raise DataError(f"the split has {len(held_out)} faces: to judge a generator takes 8 at least, better thousands")
    missing = np.setdiff1d(table.labels[held_out], table.labels[training])
    if len(missing):
        names = ", ".join(EMOTIONS[k] for k in missing)
        raise DataError(f"Training has no faces of {names}, but the split has: copies and the floor can't be judged")
