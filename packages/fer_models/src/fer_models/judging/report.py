"""A classifier's report: figures, tables, mistakes, and one HTML page that holds them all."""

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from numpy.typing import NDArray
from PIL import Image, ImageChops
from torch import Tensor
from torchmetrics.functional.classification import binary_roc

from fer_data.emotions import COLOURS, class_names
from fer_data.files import write_atomically
from fer_models.card import share_text
from fer_models.judging.calibration import risk_coverage, tempered
from fer_models.judging.evaluation import SPREAD, TTA

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

MISTAKES = 42


def write_report(
    out: Path,
    metrics: dict[str, Any],
    probabilities: Tensor,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    index: NDArray[np.intp],
) -> Path:
    """Write ``metrics.json``, ``predictions.csv``, ``per_class.csv``, figures and ``report.html``.

    Args:
        out: Folder, made if missing.
        metrics: From ``evaluate``, with ``checkpoint`` (its name), ``members`` (the names of an ensemble's),
            ``calibration``: what was fitted and what it does on these faces (see ``calibration``), or None; and
            ``taggers``: what FER+'s taggers see in them (see ``taggers``), or None.
        probabilities: (N, 7).
        images: uint8 (N, 48, 48).
        labels: (N,).
        index: (N,), the faces' positions in the data.

    Returns:
        Path of ``report.html``.
    """
    out.mkdir(parents=True, exist_ok=True)
    truth = torch.from_numpy(labels).long()
    figures = {
        "confusion": confusion_figure(np.asarray(metrics["confusion"])),
        "reliability": reliability_figure(probabilities, truth),
        "risk_coverage": risk_coverage_figure(probabilities, truth, metrics["calibration"]),
        "roc": roc_figure(probabilities, truth),
        "mistakes": mistakes_figure(probabilities, truth, images),
    }
    pictures = {name: png(figure) for name, figure in figures.items()}
    for name, content in pictures.items():
        write_atomically(out / f"{name}.png", content)
    per_class = pd.DataFrame(metrics["per_class"]).T.rename_axis("emotion")
    per_class["support"] = per_class["support"].astype(int)
    write_atomically(out / "per_class.csv", per_class.to_csv().encode())
    write_atomically(out / "predictions.csv", _predictions(probabilities, labels, index).encode())
    write_atomically(out / "metrics.json", (json.dumps(metrics, indent=2, allow_nan=False) + "\n").encode())
    write_atomically(out / "report.html", _page(metrics, per_class, pictures).encode())
    return out / "report.html"


def confusion_figure(confusion: NDArray[np.int64], rows: str = "label", columns: str = "answer") -> Figure:
    """Draw a confusion matrix (7, 7; rows: truth) twice: counts, and per cent of each row."""
    share = 100 * confusion / confusion.sum(1, keepdims=True).clip(1)
    figure, axes = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for axis, title, text, form in [(axes[0], "counts", confusion, "d"), (axes[1], "per cent of row", share, ".0f")]:
        sns.heatmap(
            share, annot=text, fmt=form, cmap="Blues", vmin=0, vmax=100, cbar=False, square=True, ax=axis,
            xticklabels=class_names(len(confusion)), yticklabels=class_names(len(confusion)),
        )  # fmt: skip
        axis.set(title=title, xlabel=columns, ylabel=rows)
        axis.tick_params(axis="y", rotation=0)
        axis.tick_params(axis="x", rotation=35)
    return figure


def reliability_figure(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Figure:
    """Draw accuracy against confidence (Guo et al. 2017, https://arxiv.org/abs/1706.04599), with the share of faces."""
    confidence, answer = probabilities.max(1)
    right = (answer == labels).double()
    edges = torch.linspace(0, 1, bins + 1)
    places = torch.bucketize(confidence, edges[1:-1])
    counts = torch.bincount(places, minlength=bins).double()
    accuracy = torch.bincount(places, weights=right, minlength=bins) / counts.clamp_min(1)
    figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
    centres, width = ((edges[1:] + edges[:-1]) / 2).numpy(), 1 / bins
    axis.bar(centres, accuracy.numpy(), width * 0.95, color="#0072B2", label="accuracy")
    axis.bar(centres, (counts / counts.sum()).numpy(), width * 0.4, color="#E69F00", label="share of faces")
    axis.plot([0, 1], [0, 1], "--", color="gray", label="well calibrated")
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", title="reliability")
    axis.legend(frameon=False)
    return figure


def risk_coverage_figure(probabilities: Tensor, labels: Tensor, calibration: dict[str, Any] | None) -> Figure:
    """Draw the error on the answered part against the share that is answered, the surest first.

    Args:
        probabilities: (N, 7), without a temperature.
        labels: (N,).
        calibration: With ``temperature`` and ``uncertain_below``; None where none was fitted for these answers.
    """
    if calibration:
        probabilities = tempered(probabilities, calibration["temperature"])
    coverage, risk = risk_coverage(probabilities, labels)
    figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
    axis.plot(coverage, risk, color="#0072B2", label=f"area under the curve {float(risk.mean()):.3f}")
    if calibration:
        axis.axhline(1 - calibration["target_accuracy"], color="gray", linestyle="--", label="target")
    if calibration and calibration["answered"]:
        answered = calibration["answered"]
        place = answered["coverage"], 1 - (answered["accuracy"] or 0)
        text = f"threshold {calibration['uncertain_below']:.3f}: {place[0]:.1%} answered, {1 - place[1]:.1%} right"
        axis.plot(*place, "o", color="#D55E00", label=text)
    highest = 1.05 * max(float(risk[len(risk) // 20 :].max()), 0.1)  # the first few faces make it jump
    axis.set(xlim=(0, 1), ylim=(0, highest), xlabel="share answered", ylabel="error on the answered part")
    axis.set_title("risk and coverage")
    axis.legend(frameon=False, loc="upper left")
    return figure


def roc_figure(probabilities: Tensor, labels: Tensor) -> Figure:
    """Draw one ROC curve for each emotion that occurs, against all others."""
    figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
    for k, emotion in enumerate(class_names(probabilities.shape[1])):
        if 0 < int((labels == k).sum()) < len(labels):
            false, true, _ = binary_roc(probabilities[:, k], (labels == k).long())
            axis.plot(false, true, color=COLOURS[emotion], label=f"{emotion} {float(torch.trapezoid(true, false)):.3f}")
    axis.plot([0, 1], [0, 1], "--", color="gray")
    axis.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC, one against the rest (area)")
    axis.legend(frameon=False, loc="lower right")
    return figure


def worst_mistakes(probabilities: Tensor, labels: Tensor) -> list[tuple[int, str, float, str]]:
    """Find the most confident mistakes among N faces.

    Returns:
        The worst first: the face's row, the answer, its probability, and the label.
    """
    confidence, answer = probabilities.max(1)
    wrong = torch.nonzero(answer != labels)[:, 0]
    worst = wrong[confidence[wrong].argsort(descending=True)][:MISTAKES].tolist()
    names = class_names(probabilities.shape[1])
    return [(i, names[int(answer[i])], float(confidence[i]), names[int(labels[i])]) for i in worst]


def mistakes_figure(probabilities: Tensor, labels: Tensor, images: NDArray[np.uint8]) -> Figure:
    """Show the most confident mistakes: the answer with its probability, and the label."""
    worst, columns = worst_mistakes(probabilities, labels), 7
    rows = max(1, -(-len(worst) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(12, 2.05 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (i, answer, probability, label) in zip(axes.flat, worst, strict=False):
        axis.imshow(images[i], cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{answer} {probability:.2f}\nlabel: {label}", fontsize=8)
    return figure


def _predictions(probabilities: Tensor, labels: NDArray[np.uint8], index: NDArray[np.intp]) -> str:
    names = np.asarray(class_names(probabilities.shape[1]))
    columns = {"face": index, "label": names[labels], "answer": names[probabilities.argmax(1).numpy()]}
    shares = pd.DataFrame(probabilities.numpy(), columns=list(names)).round(5)
    text: str = pd.concat([pd.DataFrame(columns), shares], axis=1).to_csv(index=False)
    return text


def png(figure: Figure) -> bytes:
    """Give a figure as a small PNG file, and close it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, format="png")
    plt.close(figure)
    image = Image.open(buffer).convert("RGB")
    gray = image.convert("L")
    coloured = ImageChops.difference(image, gray.convert("RGB")).getbbox()
    # A palette of 256 colours would draw contours on faces.
    image = image.convert("P", palette=Image.Palette.ADAPTIVE) if coloured else gray
    small = io.BytesIO()
    image.save(small, format="png", optimize=True)
    return small.getvalue()


def _page(metrics: dict[str, Any], per_class: pd.DataFrame, pictures: dict[str, bytes]) -> str:
    title = f"{metrics['checkpoint']} on {metrics['usage']}"
    rows = {"all": metrics, "without duplicates": metrics["test_dedup"]}
    tables = _figures_table({name: part for name, part in rows.items() if part}).to_html(border=0)
    return page(
        title,
        how=_how(metrics),
        tables=tables
        + _each_alone(metrics["members"], metrics["alone"])
        + _as_served(metrics["calibration"])
        + _as_taggers_see(metrics["taggers"])
        + "<h2>Each emotion</h2>"
        + per_class.round(3).rename_axis(None).to_html(border=0),
        pictures={_TITLES[name]: content for name, content in pictures.items()},
    )


def _each_alone(members: Sequence[str], alone: Mapping[str, Mapping[str, Any]] | None) -> str:
    """Tell how an ensemble's members do without each other."""
    if not alone:
        return ""
    columns = {}
    for key, runs in alone.items():
        low, high = runs["ci"]
        together = f"{runs['mean']:.4f} ± {runs['sd']:.4f} ({low:.4f} to {high:.4f})"
        columns[SPREAD[key]] = [*(f"{value:.4f}" for value in runs["values"]), together]
    rows = [*members, "mean ± sd (95% interval, Student's t)"]
    table: str = pd.DataFrame(columns, rows).to_html(border=0)
    return f"<h2>Each alone</h2>{table}"


def _as_served(calibration: dict[str, Any] | None) -> str:
    """Tell what temperature and threshold do; all other figures are without them."""
    if not calibration:
        return ""
    answered = calibration["answered"] or {}
    rows = {
        "temperature, fitted on PublicTest": f"{calibration['temperature']:.4f}",
        "expected calibration error without and with it": f"{calibration['ece_before']:.4f}, {calibration['ece']:.4f}",
        "negative log-likelihood without and with it": f"{calibration['nll_before']:.4f}, {calibration['nll']:.4f}",
        "answered, where it may be uncertain": share_text(answered, "coverage"),
        "right of the answered": share_text(answered, "accuracy"),
    }
    table: str = pd.DataFrame({"as served": rows}).to_html(border=0)
    return f"<h2>As served</h2>{table}"


def _as_taggers_see(seen: dict[str, Any] | None) -> str:
    """Tell how often answers and labels are FER+'s majority."""
    if not seen:
        return ""
    rows = {
        f"answers that are it, of {seen['n']:,} faces that have one": share_text(seen, "answers"),
        "FER2013's labels that are it": share_text(seen, "labels"),
        f"answers that are it, of the {seen['agreed_n']:,} faces whose label is": share_text(seen, "agreed"),
    }
    table: str = pd.DataFrame({"FER+'s majority": rows}).to_html(border=0)
    return f"<h2>What other people see</h2>{table}"


def _how(metrics: dict[str, Any]) -> str:
    members = metrics["members"]
    together = f"an ensemble: the mean of the probabilities of {', '.join(members)}; " if len(members) > 1 else ""
    return f"{together}{TTA[metrics['tta']]}"


def page(title: str, how: str, tables: str, pictures: Mapping[str, bytes]) -> str:
    """Make an HTML page that needs no other file, of HTML tables and of PNG files by their headings."""
    figures = "".join(_figure(heading, content) for heading, content in pictures.items())
    return _TEMPLATE.format(title=html.escape(title), how=html.escape(how), tables=tables, figures=figures)


def _figure(title: str, content: bytes) -> str:
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return f'<h2>{title}</h2><img alt="{title}" src="{source}">'


def _figures_table(rows: dict[str, dict[str, Any]]) -> pd.DataFrame:
    def with_interval(part: dict[str, Any], key: str) -> str:
        low, high = part[f"{key}_ci"]
        return f"{part[key]:.4f} ({low:.4f} to {high:.4f})"

    return pd.DataFrame(
        {
            name: {
                "faces": part["n"],
                "accuracy (95% interval)": with_interval(part, "accuracy"),
                "macro-F1 (95% interval)": with_interval(part, "f1_macro"),
                "balanced accuracy (95% interval)": with_interval(part, "balanced_accuracy"),
                "AUROC, macro": "none" if part["auroc"] is None else f"{part['auroc']:.4f}",
                "expected calibration error": f"{part['ece']:.4f}",
                "negative log-likelihood": f"{part['nll']:.4f}",
            }
            for name, part in rows.items()
        }
    )


_TITLES = {
    "confusion": "Confusion matrix",
    "reliability": "Calibration",
    "risk_coverage": "Risk and coverage",
    "roc": "ROC",
    "mistakes": "Most confident mistakes",
}

_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; margin: 1rem 0 }} td, th {{ padding: .25rem .8rem; text-align: right }}
tr:nth-child(even) {{ background: #f4f6f8 }} th:first-child {{ text-align: left }} table {{ border: 0 }}
img {{ max-width: 100% }}
</style>
<h1>{title}</h1><p>FER2013, {how}.</p>
{tables}
{figures}
</html>
"""
