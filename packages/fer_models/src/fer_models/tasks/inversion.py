"""Training of an encoder that finds the latents of a face, for a generator that stays as it is."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_data.errors import UserError, check_range
from fer_models.hub import load_any
from fer_models.networks.dcgan import DCGANInverter
from fer_models.tasks.base import BaseTask


class InversionTask(BaseTask):
    """Train the encoder of a ``DCGANInverter``: real faces must come out of the generator again.

    Latents of real faces are drawn to a normal distribution's length, and those of generated faces, which are known,
    are learned as well; else the encoder would find latents for which the generator makes no faces.

    Args:
        model: Name of the network.
        network_config: The network's own arguments.
        generator: Checkpoint or run of the dcgan to start from.
        lr: Learning rate.
        latent_weight: Of the latents' errors beside the pixels'.
    """

    network: DCGANInverter
    monitor = ("val/reconstruction", "min")

    def __init__(
        self,
        model: str,
        network_config: dict[str, Any],
        generator: str = "dcgan",
        lr: float = 5e-4,
        latent_weight: float = 0.05,
    ) -> None:
        super().__init__(model, network_config)
        self.save_hyperparameters()
        check_range("--lr", lr, 0, 1)
        check_range("--latent_weight", latent_weight, 0)
        found = load_any(generator)
        layers = cast(DCGANInverter, found.network).layers if "dcgan" in found.config["model"] else None
        try:
            if layers is None:
                raise UserError(f"it is a {found.config['model']}")
            self.network.layers.load_state_dict(layers.state_dict())
        except (RuntimeError, UserError) as error:
            raise UserError(
                f"--generator {generator} is no dcgan of the shape {network_config}: {str(error).splitlines()[0]}"
            ) from error
        self.network.layers.requires_grad_(False)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Give the loss of one batch of real faces and as many generated ones."""
        self.network.layers.eval()  # the running statistics stay, too
        image, label = batch["image"], batch["label"]
        known = torch.randn(len(image), self.network.latent_dim, device=self.device)
        found = self.network.encode(torch.cat([image, self.network(known, label)]))
        of_real, of_made = found.float().chunk(2)
        pixels = F.l1_loss(self.network(of_real, label).float(), image)
        length = (of_real.square().mean(1) - 1).square().mean()
        loss: Tensor = pixels + self.hparams["latent_weight"] * (F.mse_loss(of_made, known) + length)
        shown = {"train/loss": loss, "train/reconstruction": pixels}
        self.log_dict(shown, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(image), sync_dist=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Log how far pixels of PublicTest are off, in [0, 2]."""
        image = batch["image"]
        again = self.network(self.network.encode(image), batch["label"])
        error = F.l1_loss(again.float(), image)
        self.log("val/reconstruction", error, on_epoch=True, prog_bar=True, batch_size=len(image), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make Adam, for the encoder alone."""
        return torch.optim.Adam(self.network.encoder.parameters(), self.hparams["lr"])
