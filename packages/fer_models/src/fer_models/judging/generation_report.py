"""A generator's report: figures, tables, pictures of its faces, and one HTML page that holds them all."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fer_data.emotions import EMOTIONS
from fer_data.files import write_atomically
from fer_data.table import FaceTable
from fer_models import hub
from fer_models.judging import encoder
from fer_models.judging.cas import Sample, classification_accuracy_score
from fer_models.judging.evaluation import Split
from fer_models.judging.generation_evaluation import Judgement, evaluate_generator
from fer_models.judging.report import confusion_figure, page, png
from fer_models.metrics.generation import Neighbours

Interpolate = Callable[[int, int, int], NDArray[np.uint8]]
"""The way from one latent to another: label, seed and number of steps -> faces uint8 (steps, 48, 48)."""

Rows = Sequence[tuple[str, NDArray[np.uint8]]]

COLUMNS = 12
SEED_OF_PICTURES = 1_000_003


def judge_generator(
    name: str,
    sample: Sample,
    table: FaceTable,
    split: Split,
    out: Path,
    *,
    conditional: bool = True,
    interpolate: Interpolate | None = None,
    classifier: str = "cnn",
    cas: bool = False,
    cas_faces: int | None = None,
    cas_epochs: int = 6,
    seed: int = 0,
    device: str = "cpu",
) -> tuple[dict[str, Any], Path]:
    """Judge a generator and write its report.

    Args:
        name: Of the generator, for the report.
        sample: Labels int64 (N,) and a seed -> faces uint8 (N, 48, 48). The same seed and N must give the same latents
            whatever the labels.
        table: FER2013.
        split: Real faces to compare with: ``val`` is PublicTest, ``test`` is PrivateTest.
        out: Folder of the report, made if missing.
        conditional: Whether the generator heeds labels. If not, what needs them is left out.
        interpolate: For a strip of faces between two latents.
        classifier: Checkpoint of the classifier that reads the generated faces; it must have had no part in making the
            generator.
        cas: Also compute the classification accuracy score, which trains two small classifiers for minutes.
        cas_faces: Faces that they learn from; None takes as many as Training has.
        cas_epochs: Of each.
        seed: Of the latents, the draws of real faces, and the classifiers' training.
        device: Where networks run, e.g. ``cpu`` or ``cuda``.

    Returns:
        The metrics (see ``evaluate_generator``) with ``generator``, ``encoder_sha256`` and ``cas``; and the path of
        ``report.html``.

    Raises:
        UserError: The encoder is missing or another, the table lacks faces, or the generator gives no such faces.
    """
    features, reader = encoder.load_encoder(device), hub.load(classifier)
    judgement = evaluate_generator(sample, table, split, features, reader, conditional, seed)
    score = None
    if cas and conditional:
        score = classification_accuracy_score(sample, table, split, cas_faces, cas_epochs, seed, device)
    about = {"generator": name, "encoder_sha256": encoder.FD_ENCODER_SHA256}
    judgement = replace(judgement, metrics={**about, **judgement.metrics, "cas": score})
    figures = {**pictures(judgement, table), **latents(sample, conditional, interpolate)}
    return judgement.metrics, write_report(out, judgement, figures)


def write_report(out: Path, judgement: Judgement, figures: Mapping[str, Figure]) -> Path:
    """Write ``metrics.json``, ``sets.csv``, ``per_emotion.csv``, ``neighbours.csv``, the figures and ``report.html``.

    Args:
        out: Folder, made if missing.
        judgement: With ``generator`` and ``cas`` in its metrics.
        figures: By file name without ending.

    Returns:
        Path of ``report.html``.
    """
    metrics = judgement.metrics
    tables = {"sets": sets_table(metrics), "per_emotion": emotions_table(metrics), "scores": scores_table(metrics)}
    shown = {name: png(figure) for name, figure in figures.items()}
    for name, content in shown.items():
        write_atomically(out / f"{name}.png", content)
    for name, rows in tables.items():
        write_atomically(out / f"{name}.csv", rows.to_csv().encode())
    write_atomically(out / "neighbours.csv", _neighbours_csv(judgement).encode())
    write_atomically(out / "metrics.json", (json.dumps(metrics, indent=2, allow_nan=False) + "\n").encode())
    text = page(
        f"{metrics['generator']} against {metrics['usage']}",
        f"{metrics['n']} generated faces beside as many real ones, asked for with their labels. {_WHAT}",
        "".join(f"<h2>{_TITLES[name]}</h2>{rows.to_html(border=0, na_rep='')}" for name, rows in tables.items()),
        {title: shown[name] for name, title in _TITLES.items() if name in shown},
    )
    write_atomically(out / "report.html", text.encode())
    return out / "report.html"


def sets_table(metrics: dict[str, Any]) -> pd.DataFrame:
    """Tabulate distances and shares, one row for each set that stood against the split."""
    columns = {
        "n_real": "real faces", "n": "others", "fd_fer": "FD-FER", "kd_fer": "1000 KD-FER", "kd_fer_sd": "± sd",
        "precision": "precision", "recall": "recall", "density": "density", "coverage": "coverage",
    }  # fmt: skip
    usage = metrics["usage"]
    names = {
        "generated": "generated",
        "training": "floor: Training, same labels",
        "halves": f"floor: halves of {usage}",
        "public": "floor: PublicTest",
    }
    thousands = {"kd_fer", "kd_fer_sd"}
    rows = {
        names[name]: {title: row[key] * (1000 if key in thousands else 1) for key, title in columns.items()}
        for name, row in metrics["sets"].items()
    }
    return pd.DataFrame(rows).T.astype({"real faces": int, "others": int}).round(4)


def emotions_table(metrics: dict[str, Any]) -> pd.DataFrame:
    """Tabulate distance and diversity by emotion; of generators without labels, the floor alone."""
    columns: dict[str, dict[str, Any]] = {}
    for title, parts in _by_emotion(metrics).items():
        for key, name in (("n", "faces"), ("fd_fer", "FD-FER"), ("diversity", "diversity")):
            columns[f"{name}, {title}"] = {emotion: part[key] for emotion, part in parts.items()}
    return pd.DataFrame(columns).round(3)


def _by_emotion(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give generated faces and a floor by emotion: unseen real faces, or Training's where there are no others."""
    sets = metrics["sets"]
    name, floor = ("PublicTest", "public") if "public" in sets else ("Training", "training")
    parts = {"generated": sets["generated"]["per_emotion"], f"floor: {name}": sets[floor]["per_emotion"]}
    return {title: part for title, part in parts.items() if part}


def scores_table(metrics: dict[str, Any]) -> pd.DataFrame:
    """Tabulate what stands beside the distances: for the generated faces, and for real ones of the split."""
    rows: dict[str, tuple[Any, Any]] = {}
    asked, real, cas = metrics["obedience"], metrics["obedience_real"], metrics["cas"]
    if asked:
        reader = f"read as asked, by {metrics['classifier']}"
        rows[f"{reader}: accuracy"] = _interval(asked, "accuracy"), _interval(real, "accuracy")
        rows[f"{reader}: macro-F1"] = _interval(asked, "f1_macro"), _interval(real, "f1_macro")
    for key, part in metrics["copying"].items():
        rows[f"copies of Training faces, by {key}"] = part["share"], part["share_real"]
        rows[f"median distance to Training by {key}, over real faces'"] = part["median_ratio"], 1.0
    if cas:
        trained, tested = cas["generated_to_real"], cas["real_to_generated"]
        best = _interval(cas["real_to_real"], "accuracy")
        rows[f"small classifier, trained on {cas['n']} such: accuracy"] = _interval(trained, "accuracy"), best
        rows["the same over real faces' (CAS ratio)"] = cas["ratio"], 1.0
        rows["small classifier, trained on real, tested on such: accuracy"] = _interval(tested, "accuracy"), best
    rows["Inception FID against Training"] = metrics["inception_fid"], ""
    cells = {name: [f"{x:.4f}" if isinstance(x, float) else x for x in pair] for name, pair in rows.items()}
    return pd.DataFrame(cells, index=["generated", "real"]).T


def _interval(part: dict[str, Any], key: str) -> str:
    low, high = part[f"{key}_ci"]
    return f"{part[key]:.4f} ({low:.4f} to {high:.4f})"


def pictures(judgement: Judgement, table: FaceTable) -> dict[str, Figure]:
    """Draw generated faces, those nearest to Training faces, and figures by emotion."""
    metrics, faces, labels = judgement.metrics, judgement.faces, judgement.labels
    if metrics["conditional"]:
        rows = [(emotion, faces[labels == k][:COLUMNS]) for k, emotion in enumerate(EMOTIONS)]
    else:
        rows = [("", row) for row in np.array_split(faces[: 7 * COLUMNS], 7)]
    figures = {"samples": faces_figure(rows)}
    for key, neighbours in judgement.neighbours.items():
        figures[f"nearest_{key}"] = neighbours_figure(faces, table.images, neighbours)
    if metrics["conditional"]:
        figures["obedience"] = confusion_figure(np.asarray(metrics["obedience"]["confusion"]), "asked", "read")
        figures["emotions"] = emotions_figure(metrics)
    return figures


def latents(sample: Sample, conditional: bool, interpolate: Interpolate | None) -> dict[str, Figure]:
    """Draw what one latent becomes under each emotion, and the way from one latent to another."""
    figures = {}
    if conditional:
        rows = [(emotion, sample(np.full(COLUMNS, k), SEED_OF_PICTURES)) for k, emotion in enumerate(EMOTIONS)]
        figures["same_latent"] = faces_figure(rows)
    if interpolate is not None:
        ways = [(emotion if conditional else "", k) for k, emotion in enumerate(EMOTIONS)]
        figures["interpolation"] = faces_figure([(name, interpolate(k, k, COLUMNS)) for name, k in ways])
    return figures


def faces_figure(rows: Rows) -> Figure:
    """Draw named rows of faces, each uint8 (C, 48, 48); what a shorter row lacks stays white."""
    longest = max(len(faces) for _, faces in rows)
    size = rows[0][1].shape[-1]
    sheet = np.full((len(rows), size, longest, size), 255, np.uint8)
    for k, (_, faces) in enumerate(rows):
        sheet[k, :, : len(faces)] = faces.transpose(1, 0, 2)
    figure, axis = plt.subplots(figsize=(0.9 * longest + 1, 0.9 * len(rows)), layout="constrained")
    axis.imshow(sheet.reshape(len(rows) * size, -1), cmap="gray", vmin=0, vmax=255)
    axis.set(xticks=[], yticks=[size * (k + 0.5) for k in range(len(rows))], yticklabels=[name for name, _ in rows])
    axis.tick_params(length=0)
    axis.set_frame_on(False)
    return figure


def neighbours_figure(faces: NDArray[np.uint8], known: NDArray[np.uint8], neighbours: Neighbours) -> Figure:
    """Draw generated faces above their nearest Training faces: the closest of all, and the first as they come."""
    rows = []
    for name, chosen in (("closest", neighbours.distance.argsort()[:COLUMNS].numpy()), ("any", np.arange(COLUMNS))):
        chosen = chosen[chosen < len(faces)]
        rows += [(name, faces[chosen]), ("Training", known[neighbours.index[chosen].numpy()])]
    return faces_figure(rows)


def emotions_figure(metrics: dict[str, Any]) -> Figure:
    """Draw FD-FER of each emotion beside what real faces get."""
    figure, axis = plt.subplots(figsize=(8, 3.5), layout="constrained")
    places = np.arange(len(EMOTIONS))
    for shift, (title, parts) in zip((-0.2, 0.2), _by_emotion(metrics).items(), strict=True):
        heights = [parts[emotion]["fd_fer"] or 0 for emotion in EMOTIONS]
        axis.bar(places + shift, heights, 0.4, label=title)
    counts = {emotion: part["n"] for emotion, part in metrics["sets"]["generated"]["per_emotion"].items()}
    axis.set(xticks=places, xticklabels=[f"{emotion}\nn {n}" for emotion, n in counts.items()], ylabel="FD-FER")
    axis.legend(frameon=False)
    return figure


def _neighbours_csv(judgement: Judgement) -> str:
    columns: dict[str, Any] = {"asked": np.asarray(EMOTIONS)[judgement.labels]}
    for key, found in judgement.neighbours.items():
        columns |= {f"nearest_by_{key}": found.index.numpy(), f"distance_by_{key}": found.distance.numpy().round(4)}
    text: str = pd.DataFrame(columns).to_csv(index_label="face")
    return text


_WHAT = (
    "FD-FER and KD-FER are Fréchet and kernel distances in the features of this project's own frozen encoder (less is "
    "better): they are no FID and no KID. The floor is what real faces get in the generated ones' place."
)

_TITLES = {
    "sets": "Distances from the split's real faces",
    "per_emotion": "By emotion",
    "scores": "Obedience, copies, and use for training",
    "samples": "Generated faces",
    "same_latent": "The same latent in each column, by emotion",
    "interpolation": "From one latent to another",
    "obedience": "Asked for, and read",
    "emotions": "FD-FER by emotion",
    "nearest_features": "Nearest Training faces, by features",
    "nearest_pixels": "Nearest Training faces, by pixels",
}
