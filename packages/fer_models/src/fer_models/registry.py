"""Which task trains which network."""

from fer_models.networks import NETWORKS
from fer_models.tasks.base import BaseTask
from fer_models.tasks.classification import ClassificationTask

TASKS: dict[str, type[BaseTask]] = {
    "classification": ClassificationTask,
}
"""A network's ``task`` -> the LightningModule that trains it."""


def task_of(model: str) -> type[BaseTask]:
    """Give the task that trains a network of ``NETWORKS``."""
    return TASKS[NETWORKS[model].task]
