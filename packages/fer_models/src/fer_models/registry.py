"""Which task trains which network."""

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
