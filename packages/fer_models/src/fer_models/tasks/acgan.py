"""Training of a GAN with an auxiliary classifier."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_data.errors import check_range
from fer_models.networks.acgan import AuxiliaryClassifierDiscriminator
from fer_models.tasks.gan import GANTask


class ACGANTask(GANTask):
    """Train a generator whose faces must be taken for real, and for the emotion that was asked for.

    The auxiliary classifier makes faces of one emotion alike, since the surest face is the best rewarded. Against that,
    its weight is small, it learns from real faces alone, and the generator's reward ends at ``certainty``.
    ``val/diversity`` tells how much is left.

    Args:
        model: Name of the network.
        network_config: The network's own arguments.
        auxiliary_weight: Of the classifier's loss beside the adversarial one, for both networks.
        certainty: Probability of the emotion beyond which a generated face is rewarded no more.
        **options: As for ``GANTask``.
    """

    discriminator: AuxiliaryClassifierDiscriminator

    def __init__(
        self,
        model: str,
        network_config: dict[str, Any],
        auxiliary_weight: float = 0.5,
        certainty: float = 0.9,
        **options: Any,
    ) -> None:
        super().__init__(model, network_config, **options)
        check_range("--auxiliary_weight", auxiliary_weight, 0)
        check_range("--certainty", certainty, 1e-6, 1)

    def discriminator_loss(self, real: Tensor, label: Tensor, fake: Tensor, wanted: Tensor) -> Tensor:
        """Add the classifier's loss on real faces."""
        logits, classes = self.discriminator.judge(self.shown(torch.cat([real, fake])))
        auxiliary = F.cross_entropy(classes[: len(real)].float(), label)
        loss: Tensor = self.adversarial(*logits.chunk(2)) + self.hparams["auxiliary_weight"] * auxiliary
        return loss

    def generator_loss(self, fake: Tensor, wanted: Tensor) -> Tensor:
        """Add how badly the classifier recognises the emotions that were asked for."""
        logits, classes = self.discriminator.judge(self.shown(fake))
        likelihood = F.log_softmax(classes.float(), 1).gather(1, wanted[:, None])
        auxiliary = F.relu(math.log(self.hparams["certainty"]) - likelihood).mean()
        loss: Tensor = self._loss_of_generator(logits) + self.hparams["auxiliary_weight"] * auxiliary
        return loss
