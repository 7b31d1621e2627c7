"""Networks by name. They import torch and torchvision only, and know nothing of training."""

from fer_models.networks.base import Network
from fer_models.networks.cnn import CNN
from fer_models.networks.efficientnet import EfficientNet
from fer_models.networks.resnet import ResNet
from fer_models.networks.vgg19 import VGG19

NETWORKS: dict[str, type[Network]] = {
    "cnn": CNN,
    "vgg19": VGG19,
    "efficientnet": EfficientNet,
    "resnet": ResNet,
}
"""Name on the command line and in a checkpoint's ``config.json`` -> class. A new network is one more line."""
