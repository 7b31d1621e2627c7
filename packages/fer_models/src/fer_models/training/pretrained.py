"""Weights to begin with: ImageNet's from torchvision, out of its cache or by download; or a trained network's."""

from typing import Any
from urllib.error import URLError

from fer_data.errors import UserError
from fer_models.hub import load_any
from fer_models.networks.base import Classifier
from fer_models.provenance import origin


def load_imagenet(network: Classifier) -> None:
    """Let a network start from ImageNet's weights instead of random ones; its head stays random.

    Raises:
        UserError: The network has none, or they are neither in torchvision's cache nor to be downloaded.
    """
    name = type(network).__name__
    if network.imagenet is None:
        raise UserError(f"--pretrained true: {name} has no ImageNet weights; leave it out to train from scratch")
    try:
        weights = network.imagenet.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"--pretrained true: the ImageNet weights of {name} are not in torchvision's cache and can't be downloaded "
            f"({error}). Connect to the internet, put {network.imagenet.url} into the cache (TORCH_HOME), or train "
            "from scratch with --pretrained false"
        ) from error
    network.take_imagenet(weights)


def load_trained(network: Classifier, name: str) -> dict[str, Any]:
    """Let a network start from weights that were trained already.

    Args:
        network: Gets them.
        name: Published checkpoint, run, or ``.ckpt``.

    Returns:
        Where they come from, see ``provenance.origin``.

    Raises:
        UserError: They are another network's.
    """
    checkpoint = load_any(name)
    try:
        network.load_state_dict(checkpoint.network.state_dict())
    except RuntimeError as error:
        kind, config = checkpoint.config["model"], checkpoint.config["network_config"]
        raise UserError(f"--start_from {name} holds another network: train {kind} with the options {config}") from error
    return origin(name, checkpoint)
