"""Averaged weights, curves and freezing, in real fits."""

import contextlib
import signal
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch.utils._python_dispatch import TorchDispatchMode

from fer_data.datamodule import FER2013DataModule
from fer_models.tasks.classification import ClassificationTask, warmup_cosine
from fer_models.training.callbacks import EMA, StopAtInterrupt, StopAtNonFinite, draw_curves, read_metrics

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
    fit(task, 2, recorder, EMA(0.5))
    average = recorder.steps[0]
    for n, weights in enumerate(recorder.steps[1:], 1):
        average = average.lerp(weights, 1 - min(0.5, (1 + n) / (10 + n)))
    assert torch.allclose(recorder.validated[-1], average, atol=1e-6)
    assert torch.allclose(task.network.head.weight, average, atol=1e-6)
    assert not torch.allclose(average, recorder.steps[-1])


def test_buffers_are_averaged_too_and_counts_are_copied():
    class Buffers(Callback):
        means: ClassVar[list[torch.Tensor]] = []

        def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
            self.means.append(pl_module.network.stem[1].running_mean.clone())

    task = ClassificationTask("cnn", SMALL)
    fit(task, 1, Buffers(), EMA(0.5))
    average = Buffers.means[0]
    for n, mean in enumerate(Buffers.means[1:], 1):
        average = average.lerp(mean, 1 - (1 + n) / (10 + n))
    assert torch.allclose(task.network.stem[1].running_mean, average, atol=1e-6)
    assert task.network.stem[1].num_batches_tracked == len(Buffers.means) > 2


def test_a_plain_step_reads_no_value_from_the_device():
    """A value that is read out of a tensor makes a GPU finish all it was given, and so does looking for nonzeros."""

    class Reads(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.count += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
            return func(*args, **(kwargs or {}))

    class AfterEach(Callback):
        counts: ClassVar[list[int]] = []

        def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
            self.counts.append(reads.count)

    task = ClassificationTask("cnn", SMALL)
    with Reads() as reads:
        fit(task, 1, StopAtNonFinite(), EMA(0.5), AfterEach(), augment="strong", augment_on="device", data_on="device")
    assert len(AfterEach.counts) > 2 and AfterEach.counts[0] > 0  # StopAtNonFinite looks, at the first batch
    assert len(set(AfterEach.counts)) == 1


def test_a_ctrl_c_that_a_library_drops_stops_the_run_all_the_same():
    class Library(Callback):
        batches = 0

        def on_train_batch_start(self, *args: Any) -> None:
            self.batches += 1
            if self.batches == 2:
                with contextlib.suppress(BaseException):
                    signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for _ in range(2):
            library = Library()
            with pytest.raises(SystemExit):
                fit(ClassificationTask("cnn", SMALL), 2, StopAtInterrupt(), library)
            assert library.batches == 2
    finally:
        signal.signal(signal.SIGINT, before)


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
