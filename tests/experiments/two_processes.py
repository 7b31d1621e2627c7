"""Run ``train.py`` with its arguments, and print the losses and a digest of the weights that each process ends with.

Started by ``test_devices.py``. With ``FER_TEST_LAYER_NORM`` batch normalisation, whose statistics depend on how faces
are shared among processes, is replaced, so that one process and two must agree.
"""

import hashlib
import os
import sys
from typing import Any

from torch import nn

if "FER_TEST_LAYER_NORM" in os.environ:
    nn.BatchNorm2d = lambda channels: nn.GroupNorm(1, channels)

import train

original = train.fit


def fit(trainer: Any, task: Any, *rest: Any) -> None:
    """Fit, then print."""
    original(trainer, task, *rest)
    digest = hashlib.sha256()
    for weight in task.parameters():  # a GAN's discriminator too
        digest.update(weight.detach().contiguous().numpy().tobytes())
    loss = next(float(value) for key, value in trainer.callback_metrics.items() if key.startswith("train/loss"))
    print(f"RANK {trainer.global_rank} {digest.hexdigest()} {loss:.7f}", flush=True)


if __name__ == "__main__":
    train.fit = fit
    train.main(sys.argv[1:])
