"""Which task trains which network."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from fer_models.networks import NETWORKS
from fer_models.tasks.acgan import ACGANTask
from fer_models.tasks.base import BaseTask
from fer_models.tasks.classification import ClassificationTask
from fer_models.tasks.gan import GANTask
from fer_models.tasks.inversion import InversionTask
from fer_models.tasks.vae import VAETask

TASKS: dict[str, type[BaseTask]] = {
    "classification": ClassificationTask,
    "vae": VAETask,
    "gan": GANTask,
    "acgan": ACGANTask,
    "inversion": InversionTask,
}
"""A network's ``task`` -> the LightningModule that trains it."""


def task_of(model: str) -> type[BaseTask]:
    """Give the task that trains a network of ``NETWORKS``."""
    return TASKS[NETWORKS[model].task]


def complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Add the defaults of options that are younger than a run, which was trained as they leave it.

    Args:
        settings: A task's hyperparameters, ``model`` and ``network_config`` among them, of any version.

    Returns:
        All of them.
    """
    model = settings["model"]
    network_config = {**_defaults(NETWORKS[model]), **settings["network_config"]}
    return {**_defaults(task_of(model)), **settings, "network_config": network_config}


def _defaults(made_by: Callable[..., Any]) -> dict[str, Any]:
    return {p.name: p.default for p in signature(made_by).parameters.values() if p.default is not p.empty}
