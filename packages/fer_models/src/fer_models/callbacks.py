"""What happens around training: averaged weights, checkpoints that are whole, a line an epoch, curves."""

import csv
import os
import time
from pathlib import Path
from typing import Any

import matplotlib
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from fer_data.errors import UserError

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def ema(decay: float) -> WeightAveraging:
    """Keep an exponential moving average of the weights; it is what is validated and published.

    Early in training the average follows faster, as in Tacotron and TensorFlow's ``ExponentialMovingAverage``:
    the decay of update n is ``min(decay, (1 + n) / (10 + n))``.

    Args:
        decay: Share of the old average that is kept at each step, e.g. 0.999.
    """

    def average(averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        share = min(decay, (1 + int(updates)) / (10 + int(updates)))
        return averaged.lerp(current, 1 - share) if averaged.is_floating_point() else current

    return WeightAveraging(avg_fn=average, use_buffers=True)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints beside their target, flushed and renamed.

    Lightning stages them in TMPDIR and moves them, which on another file system is a copy that a kill cuts in half.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Save a checkpoint so that ``path`` is whole or as it was before."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        try:
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise UserError(f"could not write the checkpoint {target} ({error.strerror}): is there room?") from error


class EpochLine(Callback):
    """Print one line after each epoch, for logs and for terminals without a progress bar."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the epoch's metrics and its time."""
        if not trainer.is_global_zero:
            return
        shown = {k: float(v) for k, v in trainer.callback_metrics.items() if "/" in k and not k.endswith("_step")}
        text = "  ".join(f"{key} {value:.4f}" for key, value in sorted(shown.items()))
        seconds = time.monotonic() - self._start
        print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {text}  {seconds:.0f} s", flush=True)


class Curves(Callback):
    """Draw the learning curves of a run from its ``log/metrics.csv`` when training ends, also when it is cut short.

    Args:
        run_dir: The run's folder.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw."""
        self._draw(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Draw what there is."""
        self._draw(trainer)

    def _draw(self, trainer: Trainer) -> None:
        log = self.run_dir / "log" / "metrics.csv"
        if trainer.is_global_zero and log.is_file():
            draw_curves(log, self.run_dir / "curves.png")


def read_metrics(log: Path) -> dict[str, list[tuple[int, float]]]:
    """Read ``metrics.csv``: for each metric its (epoch, value) pairs."""
    curves: dict[str, list[tuple[int, float]]] = {}
    with log.open(newline="") as file:
        for row in csv.DictReader(file):
            for key, value in row.items():
                if key not in ("epoch", "step") and value and row["epoch"]:
                    curves.setdefault(key, []).append((int(float(row["epoch"])), float(value)))
    return curves


def draw_curves(log: Path, target: Path) -> None:
    """Draw the metrics of a run, one panel for each, training and validation together."""
    curves = read_metrics(log)
    names = sorted({key.split("/")[-1] for key in curves if "/" in key})
    if not names:
        return
    figure, axes = plt.subplots(1, len(names), figsize=(4 * len(names), 3.2), squeeze=False, layout="constrained")
    for axis, name in zip(axes[0], names, strict=True):
        for key in sorted(curves):
            if "/" in key and key.split("/")[-1] == name:
                axis.plot(*zip(*curves[key], strict=True), label=key.split("/")[0], marker=".", markersize=3)
        axis.set(title=name, xlabel="epoch")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    figure.savefig(target, dpi=120)
    plt.close(figure)
