"""Speed of loading and of training: ``python experiments/benchmarks/training.py --model all --data auto``.

Faces a second of the loader alone, of a bare PyTorch loop, and of the same network, loss, optimizer and loader through
Lightning with its logging. Loop and Lightning take turns, so that other work on the machine hits both alike.
"""

import logging
import statistics
import time
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning import Callback, LightningModule, Trainer, seed_everything
from lightning.fabric.utilities import move_data_to_device

from fer_data.datamodule import FER2013DataModule
from fer_data.errors import UserError, check_range, sentences
from fer_data.files import write_atomically
from fer_models.networks import CLASSIFIERS
from fer_models.provenance import machine
from fer_models.tasks.classification import ClassificationTask, warmup_cosine
from fer_models.training.losses import soft_cross_entropy, soft_targets

WARM_UP = 5
"""Batches before those that are timed."""

PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure as the command line says, print the table, and write it where ``--out`` says."""
    parser = ArgumentParser(prog="training.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", choices=[*CLASSIFIERS, "all"], default="cnn", help="default: cnn")
    parser.add_argument("--data", default="auto", help="as for train.py (default: auto)")
    parser.add_argument("--accelerator", choices=["cpu", "gpu"], default="cpu", help="default: cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="32-true", help="default: 32-true")
    parser.add_argument("--batch_size", type=int, default=128, help="default: 128")
    parser.add_argument("--num_workers", type=int, default=0, help="default: 0")
    parser.add_argument("--augment", default="medium", help="as for train.py (default: medium)")
    parser.add_argument(
        "--augment_on", choices=["workers", "device"], default="workers", help="as for train.py (default: workers)"
    )
    parser.add_argument("--data_on", choices=["host", "device"], default="host", help="as for train.py (default: host)")
    parser.add_argument("--steps", type=int, default=60, help="batches of one measurement (default: 60)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default: 5)")
    parser.add_argument("--out", type=Path, help="a CSV file for the table")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # Lightning 2.6 asks torch's pytree in an old way; it works.
    warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.` is deprecated", FutureWarning)
    with sentences():
        benchmark(parser.parse_args(argv))


def benchmark(options: Namespace) -> None:
    """Measure each model.

    Raises:
        UserError: The options fit neither this machine nor each other.
    """
    check_range("--steps", options.steps, 1)
    check_range("--rounds", options.rounds, 1)
    if options.accelerator == "gpu" and not torch.cuda.is_available():
        raise UserError("--accelerator gpu: torch finds no CUDA device here; use cpu")
    if options.accelerator == "cpu" and options.precision == "16-mixed":
        raise UserError(
            "--precision 16-mixed needs --accelerator gpu: on a processor Lightning takes bf16-mixed instead"
        )
    models = CLASSIFIERS if options.model == "all" else [options.model]
    table = pd.DataFrame([{"model": model, **measure(model, options)} for model in models])
    print(
        f"{machine()}; {options.accelerator}, batch {options.batch_size}, {options.precision}, "
        f"{options.num_workers} workers, augmentation {options.augment} on {options.augment_on}, data on "
        f"{options.data_on}; faces/s, median of {options.rounds} rounds of {options.steps} batches"
    )
    print(table.to_string(index=False, float_format="{:,.3f}".format))
    if options.out:
        told = ("accelerator", "precision", "batch_size", "num_workers", "augment", "augment_on", "data_on")
        facts = {key: getattr(options, key) for key in told}
        written = table.assign(**facts, steps=options.steps, rounds=options.rounds, machine=machine())
        write_atomically(options.out, written.to_csv(index=False).encode())


def measure(model: str, options: Namespace) -> dict[str, float]:
    """Give faces a second, medians over the rounds, and Lightning's share of the bare loop's speed."""
    seed_everything(0, verbose=False)
    task = ClassificationTask(model, {})
    data = FER2013DataModule(
        options.data, options.batch_size, options.num_workers, options.augment,
        augment_on=options.augment_on, data_on=options.data_on, preprocess=task.preprocess,
    )  # fmt: skip
    if len(data.train_dataloader()) < WARM_UP + options.steps:
        raise UserError(
            f"--steps {options.steps}: {options.data} has {len(data.train_dataloader())} batches of "
            f"{options.batch_size}, but {WARM_UP} more than these steps are needed"
        )
    ways: dict[str, Callable[..., None]] = {"loader": loading, "bare_loop": bare_loop, "lightning": through_lightning}
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, run in ways.items():
            clock = Clock(options.steps, options.accelerator)
            run(data, task, options, clock)
            speeds[way].append(options.batch_size * options.steps / clock.seconds)
    ratios = [a / b for a, b in zip(speeds["lightning"], speeds["bare_loop"], strict=True)]
    medians = {way: statistics.median(values) for way, values in speeds.items()}
    ratio = {"lightning_share": statistics.median(ratios), "lowest_share": min(ratios), "highest_share": max(ratios)}
    return medians | ratio


class Clock(Callback):
    """Time batches after the first few, and wait for the GPU's work to be done at both ends of that time only.

    Args:
        steps: Batches that are timed.
        accelerator: ``cpu`` or ``gpu``.
    """

    def __init__(self, steps: int, accelerator: str) -> None:
        self.marks, self.gpu = (WARM_UP, WARM_UP + steps), accelerator == "gpu"
        self.ended = 0
        self.times: list[float] = []

    def batch_ended(self) -> None:
        """Count a batch."""
        self.ended += 1
        if self.ended in self.marks:
            if self.gpu:
                torch.cuda.synchronize()
            self.times.append(time.perf_counter())

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Count a batch of Lightning's."""
        self.batch_ended()

    @property
    def seconds(self) -> float:
        """How long the timed batches took together."""
        start, end = self.times
        return end - start


def batches(data: FER2013DataModule, options: Namespace) -> Iterator[dict[str, torch.Tensor]]:
    """Give the first batches of a training epoch, as many as are warmed up with and timed."""
    return islice(iter(data.train_dataloader()), WARM_UP + options.steps)


def loading(data: FER2013DataModule, task: ClassificationTask, options: Namespace, clock: Clock) -> None:
    """Load, and do nothing else."""
    for _ in batches(data, options):
        clock.batch_ended()


def bare_loop(data: FER2013DataModule, task: ClassificationTask, options: Namespace, clock: Clock) -> None:
    """Train without Lightning."""
    device = "cuda" if options.accelerator == "gpu" else "cpu"
    network = task.network.to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = WARM_UP + options.steps
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_cosine(steps, steps / 2))
    scaler = torch.amp.GradScaler(device, enabled=options.precision == "16-mixed")
    for loaded in batches(data, options):
        there = move_data_to_device(loaded, torch.device(device))
        batch = data.on_after_batch_transfer(there, 0)  # augments, where --augment_on is device
        images, labels = batch["image"], batch["label"]
        with torch.autocast(device, PRECISIONS[options.precision], enabled=options.precision != "32-true"):
            loss = soft_cross_entropy(network(images), soft_targets(labels, 7, 0.1))
        optimizer.zero_grad()
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        clock.batch_ended()


def through_lightning(data: FER2013DataModule, task: ClassificationTask, options: Namespace, clock: Clock) -> None:
    """Train through Lightning, with the task's own logging."""
    trainer = Trainer(
        max_epochs=1,
        limit_train_batches=WARM_UP + options.steps,
        limit_val_batches=0,
        accelerator=options.accelerator,
        devices=1,
        precision=options.precision,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(task, data)


if __name__ == "__main__":
    main()
