"""Auxiliary classifier GAN: the discriminator also names the emotion."""

from torch import Tensor, nn

from fer_models.networks.cgan import CGAN, ConvolutionalTrunk
from fer_models.networks.dcgan import normalised


class ACGAN(CGAN):
    """Generator of faces with an emotion that a classifier must recognise.

    Odena et al. 2017 (https://arxiv.org/abs/1610.09585). The generator is that of ``CGAN``, so that the two differ in
    how the emotion is asked for alone: here an auxiliary classifier in the discriminator must recognise it.

    Args:
        latent_dim: Length of the latent vector.
        width: Channels of the last block; each block towards the latent vector has twice as many.
        num_classes: Number of emotions.
    """

    task = "acgan"

    def discriminator(self, width: int, spectral_norm: bool) -> nn.Module:
        """Make a discriminator that also classifies."""
        return AuxiliaryClassifierDiscriminator(width, spectral_norm, self.num_classes)


class AuxiliaryClassifierDiscriminator(nn.Module):
    """Tell real faces from generated ones, and name their emotion.

    Args:
        width: Channels of the first layer.
        spectral_norm: Normalise layers spectrally; the classifier's own layer is spared, or it could never be sure.
        num_classes: Number of emotions.
    """

    def __init__(self, width: int, spectral_norm: bool, num_classes: int) -> None:
        super().__init__()
        wrap = normalised if spectral_norm else nn.Identity()
        self.trunk = ConvolutionalTrunk(width, spectral_norm)
        self.real = wrap(nn.Linear(self.trunk.features_dim, 1))
        self.classifier = nn.Linear(self.trunk.features_dim, num_classes)

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        """Map faces (B, 1, 48, 48) to logits (B,) of being real; ``label`` is ignored."""
        return self.judge(image)[0]

    def judge(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map faces (B, 1, 48, 48) to logits (B,) of being real and (B, num_classes) of the emotion."""
        features = self.trunk(image)
        return self.real(features)[:, 0], self.classifier(features)
