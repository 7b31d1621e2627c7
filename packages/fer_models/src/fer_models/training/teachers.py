"""What a network can learn from beside labels: networks that have learnt already."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fer_data.errors import UserError
from fer_data.preprocess import Preprocess
from fer_models.hub import load_any
from fer_models.networks.base import Classifier
from fer_models.provenance import origin


class Teachers:
    """Trained classifiers that answer, and learn nothing themselves.

    They see the very pictures that the student sees, augmented and blended: so the student learns their function rather
    than what they know by heart ("A good teacher is patient and consistent", Beyer et al. 2022,
    https://arxiv.org/abs/2106.05237; distillation: Hinton et al. 2015, https://arxiv.org/abs/1503.02531). Each batch
    asks one of them by lot, on several devices each its own: cross-entropy is linear in the targets (without weights of
    classes), so that over many batches its gradient is that of their mean, and many teachers take no more time than one
    (Fukuda et al. 2017, https://doi.org/10.21437/Interspeech.2017-614). No module, so that they are no part of the
    student's checkpoints.

    Args:
        names: Published checkpoints, runs, or ``.ckpt`` files.
        preprocess: The student's; the teachers must see what it sees.
        num_classes: The student's.

    Attributes:
        facts: Where each comes from, see ``provenance.origin``.

    Raises:
        UserError: One is no classifier, or takes other pictures or names other emotions than the student.
    """

    def __init__(self, names: Sequence[str], preprocess: Preprocess, num_classes: int) -> None:
        self.networks: list[Classifier] = []
        self.facts: list[dict[str, Any]] = []
        for name in names:
            checkpoint = load_any(name)
            if not isinstance(checkpoint.network, Classifier):
                raise UserError(f"--teacher {name} is no classifier, but a {checkpoint.config['model']}")
            if checkpoint.preprocess != preprocess or len(checkpoint.labels) != num_classes:
                raise UserError(
                    f"--teacher {name} must see and name what the student does, {preprocess} and {num_classes} "
                    f"emotions, but has {checkpoint.preprocess} and {len(checkpoint.labels)}"
                )
            self.facts.append(origin(name, checkpoint))
            self.networks.append(checkpoint.network.requires_grad_(False).to(memory_format=torch.channels_last))

    def to(self, device: torch.device) -> None:
        """Move them."""
        for network in self.networks:
            network.to(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Give the probabilities of one of them, drawn by lot, (B, K), for pictures (B, C, S, S)."""
        network = self.networks[int(torch.randint(len(self.networks), ()))]
        answer: Tensor = network(images).float().softmax(1)
        return answer
