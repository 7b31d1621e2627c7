"""Averaged weights, curves and freezing, in real fits."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch.optim.swa_utils import AveragedModel
from torch.utils._python_dispatch import TorchDispatchMode

from fer_data.datamodule import FER2013DataModule
from fer_models.tasks.classification import ClassificationTask, warmup_cosine
from fer_models.training.callbacks import draw_curves, ema, read_metrics

SMALL = {"widths": [4, 8, 8, 8]}


def fit(task: ClassificationTask, epochs: int, *callbacks: Callback, **data: Any) -> Trainer:
    torch.manual_seed(0)
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=list(callbacks),
    )
    trainer.fit(task, FER2013DataModule("synthetic:140", batch_size=35, **data))
    return trainer


class Recorder(Callback):
    """Keep the weights of the head after each step, and as they are when validated."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []
        self.validated: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        self.steps.append(pl_module.network.head.weight.detach().clone())

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        self.validated.append(pl_module.network.head.weight.detach().clone())


def test_the_average_is_what_is_validated_and_left_at_the_end():
    recorder, task = Recorder(), ClassificationTask("cnn", SMALL)
    fit(task, 2, recorder, ema(0.5))
    average = recorder.steps[0]
    for n, weights in enumerate(recorder.steps[1:], 1):
        average = average.lerp(weights, 1 - min(0.5, (1 + n) / (10 + n)))
    assert torch.allclose(recorder.validated[-1], average, atol=1e-6)
    assert torch.allclose(task.network.head.weight, average, atol=1e-6)
    assert not torch.allclose(average, recorder.steps[-1])


def test_the_average_of_buffers_too_and_few_reads_for_many_weights():
    class Reads(TorchDispatchMode):
        """Count how often a value is read out of a tensor, which is when a GPU makes the program wait."""

        count = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.count += func is torch.ops.aten._local_scalar_dense.default
            return func(*args, **(kwargs or {}))

    network = torch.nn.Sequential(*[torch.nn.BatchNorm1d(2) for _ in range(20)]).train()
    averaged = AveragedModel(network, use_buffers=True, **ema(0.5)._kwargs)
    means = []
    for _ in range(3):
        network(torch.randn(8, 2))
        means.append(network[0].running_mean.clone())
        with Reads() as reads:
            averaged.update_parameters(network)
    average = means[0].lerp(means[1], 1 - 2 / 11).lerp(means[2], 1 - 3 / 12)
    assert torch.allclose(averaged.module[0].running_mean, average)
    assert all(layer.num_batches_tracked == 3 for layer in averaged.module)
    assert reads.count <= 3  # two are torch's own


def test_the_rate_climbs_and_falls():
    curve = [warmup_cosine(100, 10)(step) for step in range(101)]
    assert curve[0] < 0.1 and curve[9] < 1 == pytest.approx(curve[10]) and curve[100] == pytest.approx(0, abs=1e-9)
    assert curve[:11] == sorted(curve[:11]) and curve[10:] == sorted(curve[10:], reverse=True)
    assert curve[55] == pytest.approx(0.5)


def part(name: str) -> str:
    return name.split(".")[0] if name.startswith(("head", "stem")) else ".".join(name.split(".")[:2])


def test_blocks_are_frozen_until_their_epoch():
    task = ClassificationTask("cnn", SMALL, unfreeze_epoch=1, unfreeze_from=-1)
    start = {name: p.clone() for name, p in task.network.named_parameters()}

    class Watch(Callback):
        moved: list[set[str]] = []  # noqa: RUF012 (one test)

        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            now = pl_module.network.named_parameters()
            self.moved.append({part(name) for name, p in now if not torch.equal(p, start[name])})

    fit(task, 2, Watch())
    assert Watch.moved[0] == {"head"} and Watch.moved[1] == {"head", "stages.2"}


def test_rare_emotions_weigh_more_in_the_loss_when_asked():
    task = ClassificationTask("cnn", SMALL)
    fit(task, 1, balance="loss")
    assert task.class_weights is not None and task.class_weights.shape == (7,)
    fit(task, 1)
    assert task.class_weights is None


def test_curves_join_the_logs_of_a_resumed_run(tmp_path: Path):
    for version, rows in [(0, "0,1,0.5\n1,2,0.9\n"), (1, "1,2,0.4\n2,3,0.3\n")]:
        (tmp_path / f"version_{version}").mkdir()
        (tmp_path / f"version_{version}" / "metrics.csv").write_text(f"epoch,step,train/loss\n{rows}")
    assert read_metrics(tmp_path) == {"train/loss": {0: 0.5, 1: 0.4, 2: 0.3}}
    draw_curves(tmp_path, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000
