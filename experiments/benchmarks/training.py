"""Speed of loading and of training: ``python experiments/benchmarks/training.py --data auto``.

Images a second of the loader alone, of a bare PyTorch loop, and of the same network, loss, optimizer and loader through
Lightning with its logging. Loop and Lightning take turns, so that other work on the machine hits both alike.
"""

import statistics
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer, seed_everything
from torch import nn

from fer_data.datamodule import FER2013DataModule
from fer_data.errors import sentences
from fer_models.losses import soft_cross_entropy, soft_targets
from fer_models.provenance import machine
from fer_models.tasks.classification import ClassificationTask, warmup_cosine

WARM_UP = 5


def main(argv: Sequence[str] | None = None) -> None:
    """Measure as the command line says and print the figures with their ratios."""
    parser = ArgumentParser(prog="training.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--data", default="auto", help="as for train.py (default: auto)")
    parser.add_argument("--precision", choices=["32-true", "bf16-mixed"], default="32-true")
    parser.add_argument("--num_workers", type=int, default=0)
    parser.add_argument("--steps", type=int, default=60, help="batches of one measurement (default: 60)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default: 5)")
    options = parser.parse_args(argv)
    with sentences():
        measure(options.model, options.data, options.precision, options.num_workers, options.steps, options.rounds)


def measure(model: str, data: str, precision: str, num_workers: int, steps: int, rounds: int) -> None:
    """Print images a second, medians over the rounds."""
    seed_everything(0, verbose=False)
    module = FER2013DataModule(data, num_workers=num_workers)
    task = ClassificationTask(model, {})
    loader, loop, lightning = [], [], []
    for _ in range(rounds):
        loader.append(rate(loading(module, steps), module.batch_size))
        loop.append(rate(bare_loop(module, task.network, precision, steps), module.batch_size))
        lightning.append(rate(through_lightning(module, task, precision, steps), module.batch_size))
    speeds = {"loader alone": loader, "bare loop": loop, "Lightning": lightning}
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    ratios = [a / b for a, b in zip(lightning, loop, strict=True)]
    print(f"{machine()}; {model}, batch {module.batch_size}, {precision}, {rounds} rounds of {steps} batches")
    for name, values in speeds.items():
        print(f"{name:14} {medians[name]:8,.0f} images/s   ({min(values):,.0f} to {max(values):,.0f})")
    print(f"Lightning / bare loop     {statistics.median(ratios):.3f}   ({min(ratios):.3f} to {max(ratios):.3f})")
    print(f"loader / Lightning        {medians['loader alone'] / medians['Lightning']:.1f}")


def rate(times: Sequence[float], batch_size: int) -> float:
    """Turn the times at which batches ended, the first ones left out, into images a second."""
    kept = times[WARM_UP:]
    return batch_size * (len(kept) - 1) / (kept[-1] - kept[0])


def batches(module: FER2013DataModule, steps: int) -> Iterator[dict[str, torch.Tensor]]:
    """Give the batches of one training epoch, ``steps`` of them."""
    return islice(iter(module.train_dataloader()), steps)


def loading(module: FER2013DataModule, steps: int) -> list[float]:
    """Load, and do nothing else."""
    return [time.perf_counter() for _ in batches(module, steps)]


def bare_loop(module: FER2013DataModule, network: nn.Module, precision: str, steps: int) -> list[float]:
    """Train without Lightning."""
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_cosine(steps, steps / 2))
    network.train()
    times = []
    for batch in batches(module, steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = soft_cross_entropy(network(batch["image"]), soft_targets(batch["label"], 7, 0.1))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        times.append(time.perf_counter())
    return times


class Clock(Callback):
    """Note when each batch ends."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Note it."""
        self.times.append(time.perf_counter())


def through_lightning(module: FER2013DataModule, task: ClassificationTask, precision: Any, steps: int) -> list[float]:
    """Train through Lightning, with the task's own logging."""
    clock = Clock()
    trainer = Trainer(
        max_epochs=1,
        limit_train_batches=steps,
        limit_val_batches=0,
        accelerator="cpu",
        precision=precision,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(task, module)
    return clock.times


if __name__ == "__main__":
    main()
