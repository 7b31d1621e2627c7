"""Speed of the ways to augment: ``python experiments/benchmarks/augmentation.py --data auto --device cpu``.

Images a second that reach the device, augmented and ready for a network. The ways take turns, so that other work on the
machine hits all alike.
"""

import statistics
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch

from fer_data.datamodule import FER2013DataModule
from fer_data.errors import sentences
from fer_models.provenance import machine

WAYS: dict[str, dict[str, Any]] = {
    "workers": {},
    "device": {"augment_on": "device"},
    "device, data there": {"augment_on": "device", "data_on": "device"},
}
WARM_UP = 3


def main(argv: Sequence[str] | None = None) -> None:
    """Measure as the command line says and print the figures."""
    parser = ArgumentParser(prog="augmentation.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", default="auto", help="as for train.py (default: auto)")
    parser.add_argument("--device", default="cpu", help="e.g. cpu or cuda (default: cpu)")
    parser.add_argument("--augment", default="medium", help="named strength (default: medium)")
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--num_workers", type=int, default=0)
    parser.add_argument("--steps", type=int, default=40, help="batches of one measurement (default: 40)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each way (default: 5)")
    options = parser.parse_args(argv)
    with sentences():
        shared = (options.data, options.batch_size, options.num_workers, options.augment)
        modules = {name: FER2013DataModule(*shared, **way) for name, way in WAYS.items()}
        speeds: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(options.rounds):
            for name, module in modules.items():
                speeds[name].append(speed(module, torch.device(options.device), options.steps))
        print(f"{machine()}; {options}")
        for name, values in speeds.items():
            print(f"{name:20} {statistics.median(values):9,.0f} images/s   ({min(values):,.0f} to {max(values):,.0f})")


def speed(module: FER2013DataModule, device: torch.device, steps: int) -> float:
    """Give images a second over one training epoch, ``steps`` batches of it after the first ones."""
    images, start = 0, 0.0
    for step, batch in enumerate(islice(iter(module.train_dataloader()), WARM_UP + steps)):
        moved = module.transfer_batch_to_device(batch, device, 0)
        images += len(module.on_after_batch_transfer(moved, 0)["image"])
        if step == WARM_UP - 1:
            _wait(device)
            images, start = 0, time.perf_counter()
    _wait(device)
    return images / (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
