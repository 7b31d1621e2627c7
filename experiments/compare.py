"""Compare the classifiers of checkpoints/: ``python experiments/compare.py --data auto``.

Accuracy and F1 on PrivateTest beside size and speed: a table, the same as CSV and Markdown, and a picture. Times are
those of this machine's processor with one thread, and mean something beside its name only.
"""

import logging
import math
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError, check_range, sentences
from fer_data.files import atomic_file, write_atomically

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from fer_data.table import FaceTable
    from fer_models.hub import Checkpoint

BATCHES = (1, 64)
TOTALS = {"accuracy": "accuracy, %", "f1_macro": "macro-F1, %"}


def main(argv: Sequence[str] | None = None) -> None:
    """Compare as the command line says."""
    parser = ArgumentParser(prog="compare.py", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "checkpoints", nargs="*", metavar="CHECKPOINT", help="names or folders (default: all of checkpoints/)"
    )
    parser.add_argument("--data", default="auto", help="FER2013, to judge on; as for train.py (default: auto)")
    parser.add_argument(
        "--from-config", action="store_true", help="take the figures that each config.json tells; needs no data"
    )
    parser.add_argument("--seconds", type=float, default=2, help="length of one measurement of speed (default: 2)")
    parser.add_argument("--out", type=Path, default=Path("reports/compare"), help="folder (default: %(default)s)")
    with sentences():
        compare(parser.parse_args(argv))


def compare(options: Namespace) -> None:
    """Judge and measure each checkpoint, print the table, and write the files."""
    import pandas as pd

    from fer_data.fer2013 import load
    from fer_models import hub
    from fer_models.provenance import machine

    check_range("--seconds", options.seconds, 0.001)
    table = None if options.from_config else load(options.data)
    rows = []
    for name in options.checkpoints or hub.available():
        folder = hub.folder_of(name)
        try:
            rows.append(row_of(folder, table, options.seconds))
        except UserError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    if not rows:
        raise UserError(f"there is no classifier to compare in {hub.checkpoints_dir()}: name some, or export one")
    frame = pd.DataFrame(rows).sort_values("accuracy", ascending=False)
    source = "as each config.json tells" if options.from_config else f"judged on {options.data}"
    n = "/".join(map(str, sorted(set(frame["faces"]))))
    about = f"PrivateTest, {n} faces, {source}; 95% intervals. Times: one thread on {machine()}."
    totals, classes = readable(frame)
    print(f"{totals.to_string(index=False)}\n\nF1, %\n{classes.to_string(index=False)}\n\n{about}")
    write(options.out, frame.assign(machine=machine()), f"{markdown(totals)}\n\n{markdown(classes)}\n\n{about}\n")


def row_of(folder: Path, table: "FaceTable | None", seconds: float) -> dict[str, Any]:
    """Give all figures of one checkpoint.

    Args:
        folder: The checkpoint's.
        table: Faces to judge it on; None takes the figures that it tells.
        seconds: Length of one measurement of speed.

    Raises:
        UserError: It is damaged, no classifier, an encoder of the generators' metrics, or tells no figures.
    """
    from fer_models import hub
    from fer_models.judging.evaluation import classifier_of, evaluate

    checkpoint = hub.load(str(folder))
    network = classifier_of(checkpoint)
    if checkpoint.config.get("role") == "encoder":
        raise UserError("it is the encoder of the generators' metrics")
    told = recorded(checkpoint) if table is None else figures(evaluate([checkpoint], table)[0])
    size = checkpoint.preprocess
    shape = (size.channels, size.size, size.size)
    return {
        "checkpoint": checkpoint.name,
        "network": checkpoint.config["model"],
        **told,
        "parameters": sum(p.numel() for p in network.parameters()),
        "macs": macs(network, shape),
        **{f"ms_batch{batch}": milliseconds(network, (batch, *shape), seconds) for batch in BATCHES},
        "file_bytes": (folder / hub.WEIGHTS).stat().st_size,
    }


def recorded(checkpoint: "Checkpoint") -> dict[str, float]:
    """Give the figures on PrivateTest that a checkpoint's ``config.json`` tells.

    Raises:
        UserError: It tells none, or they are damaged.
    """
    try:
        return figures(checkpoint.config["metrics"]["test"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"its config.json tells no whole figures on PrivateTest ({error!r}); judge with --data"
        ) from error


def figures(metrics: dict[str, Any]) -> dict[str, float]:
    """Choose what is compared of a classifier's metrics; an interval that isn't there is NaN."""
    chosen: dict[str, float] = {"faces": int(metrics["n"])}
    for key in TOTALS:
        low, high = metrics.get(f"{key}_ci", (math.nan, math.nan))
        chosen |= {key: float(metrics[key]), f"{key}_low": float(low), f"{key}_high": float(high)}
    return chosen | {f"f1_{emotion}": float(metrics["per_class"][emotion]["f1"]) for emotion in EMOTIONS}


def macs(network: "nn.Module", shape: tuple[int, ...]) -> int:
    """Count the multiplications with an addition that one face (C, S, S) costs in convolutions and linear layers."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *shape))
    return int(counter.get_total_flops() // 2)


def milliseconds(network: "nn.Module", shape: tuple[int, ...], seconds: float) -> float:
    """Measure how long one face takes in a batch (B, C, S, S): median, on the processor, one thread."""
    import torch

    # The import looks for a compiler for GPUs, which isn't used here, and warns where there is no GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    from torch.utils.benchmark import Timer

    with torch.inference_mode():
        timer = Timer("network(faces)", globals={"network": network, "faces": torch.randn(shape)}, num_threads=1)
        return float(1000 * timer.blocked_autorange(min_run_time=seconds).median / shape[0])


def readable(frame: "pd.DataFrame") -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Give the main figures, and the F1 of each emotion, as people read them."""
    import pandas as pd

    def share(row: Any, key: str) -> str:
        low, high = row[f"{key}_low"], row[f"{key}_high"]
        return f"{100 * row[key]:.1f}" + ("" if pd.isna(low) else f" ({100 * low:.1f} to {100 * high:.1f})")

    columns: dict[str, Any] = {"checkpoint": frame["checkpoint"], "network": frame["network"]}
    columns |= {title: [share(row, key) for _, row in frame.iterrows()] for key, title in TOTALS.items()}
    columns |= {"parameters, M": (frame["parameters"] / 1e6).map("{:.2f}".format)}
    columns |= {"MACs, M": (frame["macs"] / 1e6).map("{:.0f}".format)}
    columns |= {f"ms a face, batch {batch}": frame[f"ms_batch{batch}"].map("{:.2f}".format) for batch in BATCHES}
    columns |= {"file, MB": (frame["file_bytes"] / 1e6).map("{:.1f}".format)}
    classes = {emotion: (100 * frame[f"f1_{emotion}"]).map("{:.1f}".format) for emotion in EMOTIONS}
    return pd.DataFrame(columns), pd.DataFrame({"checkpoint": frame["checkpoint"], **classes})


def markdown(table: "pd.DataFrame") -> str:
    """Write a table of texts as Markdown."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(out: Path, frame: "pd.DataFrame", text: str) -> None:
    """Write ``compare.csv`` (shares in 0..1), ``compare.md`` and ``compare.png``."""
    write_atomically(out / "compare.csv", frame.to_csv(index=False).encode())
    write_atomically(out / "compare.md", text.encode())
    with atomic_file(out / "compare.png") as file:
        draw(frame).savefig(file, dpi=120, format="png")
    print(f"written: {out / 'compare.csv'}, compare.md, compare.png")


def draw(frame: "pd.DataFrame") -> Any:
    """Draw accuracy with its interval against the time of one face; a dot's area is the number of parameters."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axis = figure.subplots()
    time, accuracy = frame["ms_batch1"], 100 * frame["accuracy"]
    below, above = accuracy - 100 * frame["accuracy_low"], 100 * frame["accuracy_high"] - accuracy
    axis.errorbar(time, accuracy, [below.clip(0), above.clip(0)], fmt="none", ecolor="#7F7F7F", capsize=3, zorder=1)
    axis.scatter(time, accuracy, s=20 + 30 * frame["parameters"] / 1e6, color="#0072B2", alpha=0.7)
    for x, y, row in zip(time, accuracy, frame.to_dict("records"), strict=True):
        label = f"{row['checkpoint']} ({row['parameters'] / 1e6:.1f} M)"
        axis.annotate(label, (x, y), xytext=(8, 6), textcoords="offset points")
    axis.set_xscale("log", subs=[2, 5])
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("{x:g}")
    axis.set(xlabel="ms a face, batch 1, one thread", ylabel="accuracy on PrivateTest, %")
    axis.margins(x=0.25)
    axis.grid(alpha=0.3, which="both")
    return figure


if __name__ == "__main__":
    main()
