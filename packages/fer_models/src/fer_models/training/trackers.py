"""Where a run is followed: its ``log/`` always, and Weights & Biases or TensorBoard for who wants them."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from torch import Tensor

from fer_data.errors import UserError
from fer_data.files import write_atomically
from fer_models.hub import load_run
from fer_models.judging.evaluation import evaluate
from fer_models.tasks.classification import ClassificationTask

Tracker = Literal["csv", "wandb", "tensorboard"]


def loggers(tracker: Tracker, run_dir: Path, model: str) -> list[Logger]:
    """Make a run's loggers: CSV files in ``log/``, and what else is asked for, in the run's folder too."""
    chosen: list[Logger] = [CSVLogger(run_dir, name="log")]
    if tracker == "wandb":
        chosen.append(RunInWandb(run_dir, model))
    if tracker == "tensorboard":  # in one folder, without versions: the curves of a resumed run go on
        chosen.append(TensorBoardLogger(run_dir, name="tensorboard", version="", default_hp_metric=False))
    return chosen


class RunInWandb(WandbLogger):
    """A run in Weights & Biases, with an account or offline; resumed, it goes on in the same W&B run.

    Args:
        run_dir: The run's folder. It takes W&B's files, what waits to be sent, and W&B's id of the run.
        model: Name of the network.
    """

    def __init__(self, run_dir: Path, model: str) -> None:
        self.run_dir, self.id_file = run_dir, run_dir / "wandb_id"
        known = self.id_file.read_text() if self.id_file.is_file() else None
        super().__init__(f"{model}-{run_dir.name}", run_dir, id=known, project="fer-lightning")

    @property
    def experiment(self) -> Any:
        """The W&B run, begun on first use; on other devices than the first something that does nothing.

        Raises:
            UserError: There is no account.
        """
        from wandb.errors import UsageError

        if self._experiment is not None:
            return self._experiment
        os.environ.setdefault("WANDB_DATA_DIR", str(self.run_dir.absolute() / "wandb"))  # else the home folder fills
        try:
            run = super().experiment
        except UsageError as error:
            raise UserError(f"--logger wandb: {error} Or set WANDB_MODE=offline, which needs no account.") from error
        if self._experiment is not None:
            write_atomically(self.id_file, run.id.encode())
        return run

    def log_checkpoint(self, path: Path) -> None:
        """Hand over a checkpoint as an artifact; offline it waits in the run's folder."""
        import wandb

        artifact = wandb.Artifact(f"model-{self.experiment.id}", "model")
        artifact.add_file(str(path))
        self.experiment.log_artifact(artifact, aliases=["latest", "best"])

    def finalize(self, status: str) -> None:
        """End the W&B run when all is sent or written."""
        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if status == "success" else 1)


class BestInTracker(Callback):
    """Show in W&B or TensorBoard, when training has ended, what the best classifier answers on PublicTest.

    The weights are those of ``best.ckpt``: the averaged ones where there are any, of the epoch that was best. The first
    device does it alone. For other tasks than classification there is nothing to show.
    """

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Judge and show; later than ``on_fit_end``, where a progress bar still runs."""
        best = Path(getattr(trainer.checkpoint_callback, "best_model_path", ""))
        trackers = [tracker for tracker in trainer.loggers if isinstance(tracker, RunInWandb | TensorBoardLogger)]
        if not (trackers and trainer.is_global_zero and isinstance(pl_module, ClassificationTask) and best.is_file()):
            return
        from fer_models.judging.report import confusion_figure, mistakes_figure

        table = getattr(trainer, "datamodule").table  # noqa: B009 (set by Trainer.fit, without a type)
        device = str(trainer.strategy.root_device)
        metrics, probabilities, faces = evaluate([load_run(best)], table, "val", device=device)
        confusion = confusion_figure(np.asarray(metrics["confusion"]))
        answers = (probabilities, torch.from_numpy(table.labels[faces]).long(), table.images[faces])
        for tracker in trackers:
            if isinstance(tracker, RunInWandb):
                tracker.log_image("best/confusion", [confusion], trainer.global_step)
                tracker.log_table("best/mistakes", *mistakes_table(*answers), step=trainer.global_step)
                tracker.log_checkpoint(best)
            else:
                tracker.experiment.add_figure("best/confusion", confusion, trainer.global_step)
                tracker.experiment.add_figure("best/mistakes", mistakes_figure(*answers), trainer.global_step)
        plt.close(confusion)


def mistakes_table(
    probabilities: Tensor, labels: Tensor, images: NDArray[np.uint8]
) -> tuple[list[str], list[list[Any]]]:
    """Make W&B's table of the most confident mistakes: the names of its columns, and its rows."""
    import wandb

    from fer_models.judging.report import worst_mistakes

    rows = [[wandb.Image(images[i]), *told] for i, *told in worst_mistakes(probabilities, labels)]
    return ["face", "answer", "probability", "label"], rows
