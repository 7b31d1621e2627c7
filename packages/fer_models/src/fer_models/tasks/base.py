"""What all tasks share."""

from typing import Any, ClassVar, Literal

import torch
from lightning import LightningModule

from fer_models.hub import build_network, input_of


class BaseTask(LightningModule):
    """A network from the registry with the settings of its training, all of them JSON builtins.

    Args:
        model: Name of the network in ``NETWORKS``.
        network_config: The network's own arguments.

    Attributes:
        origins: What a run's record tells of trained weights that it builds on, JSON builtins.
        monitor: The metric that chooses the best checkpoint, and whether more or less of it is better.
    """

    monitor: ClassVar[tuple[str, Literal["max", "min"]]]

    def __init__(self, model: str, network_config: dict[str, Any]) -> None:
        super().__init__()
        self.model, self.network_config = model, network_config
        self.network = build_network(model, network_config).to(memory_format=torch.channels_last)
        self.preprocess = input_of(self.network)
        self.origins: dict[str, Any] = {}

    @property
    def some_weights_unused(self) -> bool:
        """Whether a step may leave weights without gradients, which DistributedDataParallel must be told."""
        return False
