"""ImageNet weights from torchvision, out of its cache or by download."""

from urllib.error import URLError

from fer_data.errors import UserError
from fer_models.networks.base import Classifier


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
