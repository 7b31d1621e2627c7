"""Networks by name. They import torch and torchvision only, and know nothing of training."""

from fer_models.networks.base import Network
from fer_models.networks.cnn import CNN

NETWORKS: dict[str, type[Network]] = {
    "cnn": CNN,
}
"""Name on the command line and in a checkpoint's ``config.json`` -> class. A new network is one more line."""
