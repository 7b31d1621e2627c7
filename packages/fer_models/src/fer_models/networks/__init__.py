"""Networks by name. They import torch and torchvision only, and know nothing of training."""

from fer_models.networks.acgan import ACGAN
from fer_models.networks.base import Classifier, Generator, Network
from fer_models.networks.cgan import CGAN
from fer_models.networks.cnn import CNN
from fer_models.networks.dcgan import DCGAN, DCGANInverter
from fer_models.networks.efficientnet import EfficientNet
from fer_models.networks.resnet import ResNet
from fer_models.networks.vae import VAE
from fer_models.networks.vgg19 import VGG19

CLASSIFIERS: dict[str, type[Classifier]] = {
    "cnn": CNN,
    "vgg19": VGG19,
    "efficientnet": EfficientNet,
    "resnet": ResNet,
}
GENERATORS: dict[str, type[Generator]] = {
    "vae": VAE,
    "dcgan": DCGAN,
    "dcgan_inverter": DCGANInverter,
    "cgan": CGAN,
    "acgan": ACGAN,
}
NETWORKS: dict[str, type[Network]] = {**CLASSIFIERS, **GENERATORS}
"""Name on the command line and in a checkpoint's ``config.json`` -> class. A new network is one more line above."""
