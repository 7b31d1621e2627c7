"""Checkpoint folders: what a trained network is published as, and loaded from.

A folder holds ``model.safetensors`` (weights), ``config.json`` (network, its arguments, input, emotions, metrics, where
it comes from) and ``README.md`` (model card). Weights are safetensors, and the class comes from our own ``NETWORKS``,
never from the file, so that loading a stranger's folder runs none of their code.
"""

import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError
from fer_data.preprocess import Preprocess
from fer_models.networks import NETWORKS
from fer_models.networks.base import Network

FORMAT_VERSION = 1
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, or not one of ours."""


@dataclass(frozen=True)
class Checkpoint:
    """A network ready for use.

    Attributes:
        name: Of the folder.
        network: In evaluation mode, on the CPU, float32.
        preprocess: What the network wants its input to be.
        config: All of ``config.json``.
    """

    name: str
    network: Network
    preprocess: Preprocess
    config: dict[str, Any]


def checkpoints_dir() -> Path:
    """Give the folder of checkpoints: FER_CHECKPOINTS, else ``checkpoints/`` here or at the root of the repository."""
    if "FER_CHECKPOINTS" in os.environ:
        return Path(os.environ["FER_CHECKPOINTS"])
    here = Path("checkpoints")
    return here if here.is_dir() else Path(__file__).resolve().parents[4] / "checkpoints"


def available() -> list[str]:
    """List the names that ``load`` knows, in alphabetical order."""
    return sorted(path.parent.name for path in checkpoints_dir().glob(f"*/{CONFIG}"))


def folder_of(name: str) -> Path:
    """Find a checkpoint by name or path.

    Raises:
        CheckpointError: There is none.
    """
    for folder in (Path(name), checkpoints_dir() / name):
        if (folder / CONFIG).is_file():
            return folder
    known = ", ".join(available()) or "none yet"
    raise CheckpointError(
        f"there is no checkpoint {name!r}: it is neither a folder with a {CONFIG} nor a name in {checkpoints_dir()}, "
        f"which has: {known}"
    )


def load(name: str) -> Checkpoint:
    """Load a published checkpoint by name or path.

    Raises:
        CheckpointError: It is missing, damaged, or of another version.
    """
    folder = folder_of(name)
    config = _read_config(folder)
    try:
        network = NETWORKS[config["model"]](**config["network_config"])
        network.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in _weights(folder).items()},
            strict=True,
        )
        preprocess = Preprocess.from_dict(config["preprocess"])
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"the checkpoint {folder} does not fit this version of fer-models ({reason}): fetch or export it again"
        ) from error
    return Checkpoint(folder.name, network.eval(), preprocess, config)


def load_any(name: str) -> Checkpoint:
    """Load a published checkpoint, or a trainer's own ``.ckpt``: for judging and exporting, not for serving."""
    return load_run(Path(name)) if name.endswith(".ckpt") else load(name)


def load_run(path: Path) -> Checkpoint:
    """Load the network of a Lightning ``.ckpt`` that this project's tasks wrote.

    This is the one place that calls ``torch.load``; ``weights_only`` keeps it from running code of the file.

    Raises:
        CheckpointError: The file is missing, damaged, or not one of ours.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        settings = content["hyper_parameters"]
        network = NETWORKS[settings["model"]](**settings["network_config"])
        prefix = "network."
        network.load_state_dict(
            {key.removeprefix(prefix): value for key, value in content["state_dict"].items() if key.startswith(prefix)}
        )
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} is not a usable .ckpt of this project ({reason}): give a run's best.ckpt"
        ) from error
    config = {"model": settings["model"], "network_config": settings["network_config"], "training": settings}
    return Checkpoint(path.resolve().parents[1].name, network.eval(), input_of(network), config)


def input_of(network: Network) -> Preprocess:
    """Give the ``Preprocess`` that a network asks for by its ``input_size`` and ``input_channels``."""
    standard, channels = Preprocess(), network.input_channels
    return Preprocess(network.input_size, channels, standard.mean * channels, standard.std * channels)


def save_checkpoint(folder: Path, network: Network, config: dict[str, Any], card: str) -> None:
    """Write a checkpoint folder; floating-point weights are stored as float16, each file is renamed into place."""
    weights = {
        key: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for key, value in network.state_dict().items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / WEIGHTS, save(weights))
    write_atomically(folder / CARD, card.encode())
    text = json.dumps({"format_version": FORMAT_VERSION, "labels": list(EMOTIONS), **config}, indent=2)
    write_atomically(folder / CONFIG, f"{text}\n".encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its target and rename it, so that nobody ever sees half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(f"could not write {path} ({error.strerror}): is there room and permission?") from error


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text())
        model, labels, version = config["model"], config["labels"], config["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder / CONFIG} is damaged ({error}): fetch or export the checkpoint again"
        ) from error
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{folder / CONFIG} has format {version}, but this version of fer-models reads {FORMAT_VERSION}"
        )
    if model not in NETWORKS:
        raise CheckpointError(f"{folder / CONFIG} names the network {model!r}; known are {', '.join(NETWORKS)}")
    if labels != list(EMOTIONS):
        raise CheckpointError(
            f"{folder / CONFIG} orders the emotions {labels}, but this project's order is {list(EMOTIONS)}"
        )
    return config


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    try:
        weights: dict[str, torch.Tensor] = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder / WEIGHTS} is missing or damaged ({error}): fetch the checkpoint again"
        ) from error
    return weights
