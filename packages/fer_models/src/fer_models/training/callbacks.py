"""What happens around training: averaged weights, checkpoints that are whole, a line an epoch, curves."""

import csv
import json
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import matplotlib
import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import BaseFinetuning, EarlyStopping, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.optim.swa_utils import AveragedModel

from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError
from fer_data.files import atomic_file, write_atomically
from fer_models.drawing import png, tile
from fer_models.generate import to_pixels
from fer_models.networks.base import Classifier

if TYPE_CHECKING:
    from fer_models.tasks.generation import GenerationTask

matplotlib.use("Agg")
from matplotlib import pyplot as plt


class EMA(WeightAveraging):
    """Keep an exponential moving average of the weights; it is what is validated and published.

    Early in training the average follows faster, as in Tacotron and TensorFlow's ``ExponentialMovingAverage``:
    the decay of update n is ``min(decay, (1 + n) / (10 + n))``. Lightning's own would ask the GPU three times a step
    how many updates there were, and wait for it; here the host counts.

    Args:
        decay: Share of the old average that is kept at each step, e.g. 0.999.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=True)
        self.decay, self.updates = decay, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read how many updates a resumed run had."""
        self.updates = int(self._averaged().n_averaged)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the average towards the weights."""
        averaged, n = self._averaged(), self.updates
        own, current = (
            [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]
            for module in (averaged.module, pl_module)
        )
        weight = 1 - min(self.decay, (1 + n) / (10 + n)) if n else 1.0
        floats = [k for k, tensor in enumerate(own) if tensor.is_floating_point()]
        counts = [k for k, tensor in enumerate(own) if not tensor.is_floating_point()]  # batch normalisation's
        torch._foreach_lerp_([own[k] for k in floats], [current[k] for k in floats], weight)
        if counts:
            torch._foreach_copy_([own[k] for k in counts], [current[k] for k in counts])
        averaged.n_averaged += 1
        self.updates += 1

    def _averaged(self) -> AveragedModel:
        assert self._average_model is not None  # made when fitting begins
        return self._average_model


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints beside their target, flushed and renamed.

    Lightning stages them in TMPDIR and moves them, which on another file system is a copy that a kill cuts in half.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Save a checkpoint so that ``path`` is whole or as it was before."""
        with atomic_file(Path(path)) as file:
            torch.save(checkpoint, file)


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


class RunRecord(Callback):
    """Write what a run is when it begins to train, and how long it trained when it ends.

    If all its epochs are done already, nothing is written. The time goes on where a resumed run's checkpoint left it,
    so it is that of the epochs that made the weights.

    Args:
        run_dir: The run's folder.
        options: YAML, for ``config.yaml``.
        facts: JSON builtins, for ``run.json``, where ``seconds`` is added.
    """

    def __init__(self, run_dir: Path, options: str, facts: dict[str, Any]) -> None:
        self.run_dir, self.options, self.facts = run_dir, options, facts
        self.seconds: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint keeps."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.seconds = state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, and write."""
        self._start = time.monotonic()
        if trainer.global_step == 0:
            self.seconds = 0.0
        if trainer.is_global_zero:
            write_atomically(self.run_dir / "config.yaml", self.options.encode())
            self._write(self.facts)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the epoch's time; checkpoints are saved after this."""
        now = time.monotonic()
        if self.seconds is not None:  # else resumed from a checkpoint that didn't tell
            self.seconds += now - self._start
        self._start = now

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the time."""
        if trainer.is_global_zero:
            self._write({**self.facts, "seconds": None if self.seconds is None else round(self.seconds)})

    def _write(self, facts: dict[str, Any]) -> None:
        write_atomically(self.run_dir / "run.json", (json.dumps(facts, indent=2) + "\n").encode())


class FirstCheckpoint(Callback):
    """Save ``last.ckpt`` before the first step, so that a run can be resumed whenever it is stopped.

    Args:
        folder: Of the run's checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save it, on a fresh run."""
        if trainer.global_step == 0:
            trainer.save_checkpoint(self.folder / "last.ckpt")


class Curves(Callback):
    """Draw the learning curves of a run from its ``log/*/metrics.csv`` when training ends, also when it is cut short.

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
        if trainer.is_global_zero:
            draw_curves(self.run_dir / "log", self.run_dir / "curves.png")


def read_metrics(log: Path) -> dict[str, dict[int, float]]:
    """Read all ``version_N/metrics.csv`` of a run, one for each time it was resumed.

    Returns:
        For each metric its values by epoch; of an epoch that was repeated, the later value.
    """
    curves: dict[str, dict[int, float]] = {}
    for path in sorted(log.glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1])):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                for key, value in row.items():
                    if "/" in key and value and row["epoch"]:
                        curves.setdefault(key, {})[int(float(row["epoch"]))] = float(value)
    return curves


def draw_curves(log: Path, target: Path) -> None:
    """Draw the metrics of a run, one panel for each, training and validation together."""
    curves = read_metrics(log)
    names = sorted({key.split("/")[-1] for key in curves})
    if not names:
        return
    figure, axes = plt.subplots(1, len(names), figsize=(4 * len(names), 3.2), squeeze=False, layout="constrained")
    for axis, name in zip(axes[0], names, strict=True):
        for key in sorted(key for key in curves if key.split("/")[-1] == name):
            axis.plot(
                *zip(*sorted(curves[key].items()), strict=True), label=key.split("/")[0], marker=".", markersize=3
            )
        axis.set(title=name, xlabel="epoch")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    figure.savefig(target, dpi=120)
    plt.close(figure)


class SampleGrid(Callback):
    """Save a grid of faces after each validation, of the same latents each time: one row an emotion.

    Args:
        folder: Where the pictures go, one an epoch.
        columns: Faces in a row.
    """

    def __init__(self, folder: Path, columns: int = 12) -> None:
        self.folder, self.columns = folder, columns

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the faces with the weights in use (the averaged ones) and save them, also to a tracker."""
        if not trainer.is_global_zero:
            return
        task = cast("GenerationTask", pl_module)
        rows = len(EMOTIONS)
        # A column is one latent in all emotions; a generator without them gets other latents in each row.
        z = task.fixed_latents(self.columns if task.network.conditional else self.columns * rows)
        z = z.repeat(rows, 1) if task.network.conditional else z
        labels = torch.arange(rows, device=task.device).repeat_interleave(self.columns)
        with torch.inference_mode():
            faces = to_pixels(task(z, labels))
        picture = tile(faces, self.columns)
        write_atomically(self.folder / f"epoch-{trainer.current_epoch + 1:04}.png", png(picture))
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("samples", [picture])
            elif isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("samples", picture, trainer.current_epoch, dataformats="HW")


class Unfreezing(Callback):
    """Let only the head learn at first, then blocks with it, as ULMFiT does (https://arxiv.org/abs/1801.06146).

    Weights are frozen at the start of epochs, when devices have agreed on all of them; several devices need a strategy
    that allows weights without gradients.

    Args:
        first: Number of the first block (``Network.blocks``) that ever learns; -2 are the last two, 0 all.
        epoch: From which epoch on the blocks learn.
    """

    def __init__(self, first: int, epoch: int) -> None:
        self.first, self.epoch = first, epoch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze and unfreeze."""
        blocks = list(cast(Classifier, pl_module.network).blocks())
        frozen = blocks if trainer.current_epoch < self.epoch else blocks[: self.first or None] if self.first else []
        BaseFinetuning.make_trainable(blocks)
        BaseFinetuning.freeze(frozen, train_bn=False)


class StopAtNonFinite(Callback):
    """Stop the run with its cause when the loss is no number any more.

    Args:
        every: Batches between two looks; a look makes a GPU wait.
    """

    def __init__(self, every: int = 20) -> None:
        self.every = every

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look."""
        # A GAN looks at its gradients itself and gives no loss.
        if outputs and batch_idx % self.every == 0 and not torch.isfinite(outputs["loss"]).all():
            raise UserError(
                f"the loss became {float(outputs['loss'])} in epoch {trainer.current_epoch}, batch {batch_idx}: the "
                "learning rate is too high (--lr), or 16-bit numbers overflow (--precision 32-true or bf16-mixed)"
            )


class Patience(EarlyStopping):
    """Stop when the validation hasn't become better for a time.

    A run that stopped so trains no further when it is resumed, unless it is given more patience than it had. (That of
    Lightning would train an epoch more each time, and never ask how much patience it is given.) Strategies that shard
    the network put callbacks' states back later: there it is Lightning's.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint with the patience given now."""
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop where patience has run out already."""
        trainer.should_stop = self.wait_count >= self.patience


class StopAtInterrupt(Callback):
    """Stop at the next batch where a Ctrl-C got lost.

    Python raises it wherever the program is, also where a library drops what is raised: seldom, but then a run that was
    told to stop would go on.
    """

    def __init__(self) -> None:
        self.asked = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Listen, where nobody else does; an earlier run's, which Lightning puts back, is nobody."""
        handler = signal.getsignal(signal.SIGINT)
        free = handler is signal.default_int_handler or isinstance(getattr(handler, "__self__", None), StopAtInterrupt)
        if free and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.default_int_handler(number, frame)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Raise it again."""
        if self.asked:
            raise KeyboardInterrupt


class RandomnessOfEpoch(Callback):
    """Begin each epoch with random numbers that follow from seed, epoch and device alone.

    So an epoch that is repeated after a kill, for dropout and mixup too, is what it would have been.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed torch, on all its devices; not earlier, because making the loader's iterator draws a number."""
        if batch_idx == 0:
            mixed = np.random.SeedSequence([self.seed, trainer.current_epoch, trainer.global_rank])
            torch.manual_seed(int(mixed.generate_state(1, np.uint64)[0]) >> 1)
