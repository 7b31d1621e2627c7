"""Checkpoint folders: what a trained network is published as, and loaded from.

A folder holds ``model.safetensors`` (weights), ``config.json`` (network, its arguments, input, emotions, metrics, where
it comes from) and ``README.md`` (model card); it may hold the network as ONNX, too. Weights are safetensors, and the
class comes from our own ``NETWORKS``, never from the file, so that loading a stranger's folder runs none of their code.

Folders are found by name in ``checkpoints/``, or where FER_CHECKPOINTS says: another folder, or ``hf://OWNER/NAME`` or
``hf://OWNER/NAME@REVISION``, a repository of the Hugging Face Hub. It holds one checkpoint, or a folder for each.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from fer_data.emotions import EMOTIONS, FERPLUS_EMOTIONS, class_names
from fer_data.errors import UserError
from fer_data.files import write_atomically
from fer_data.preprocess import FER2013_MEAN, FER2013_STD, Preprocess
from fer_models.networks import NETWORKS
from fer_models.networks.base import Network

FORMAT_VERSION = 1
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
ONNX, ONNX_INT8 = "model.onnx", "model.int8.onnx"

_HUB = "hf://"

AnyNetwork = TypeVar("AnyNetwork", bound=Network)


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
        folder: Where it lies; None for a run's, which isn't published.
    """

    name: str
    network: Network
    preprocess: Preprocess
    config: dict[str, Any]
    folder: Path | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions, in the order of the network's classes."""
        return _labels(self.config)

    @property
    def temperature(self) -> float:
        """What logits are divided by before the softmax, see ``calibration``; 1 where none was fitted."""
        return float(self.config.get("calibration", {}).get("temperature", 1))

    @property
    def uncertain_below(self) -> float | None:
        """The top probability below which an answer is uncertain; None where none was fitted, or none is enough."""
        threshold = self.config.get("calibration", {}).get("uncertain_below")
        return None if threshold is None else float(threshold)


def checkpoints_dir() -> Path:
    """Give the place of the checkpoints: FER_CHECKPOINTS, else ``checkpoints/`` here or at the root of the repository.

    Raises:
        CheckpointError: FER_CHECKPOINTS names a repository of the Hub that can't be had.
    """
    place = os.environ.get("FER_CHECKPOINTS")
    if place is not None:
        return _fetch(place) if place.startswith(_HUB) else Path(place)
    here = Path("checkpoints")
    return here if here.is_dir() else Path(__file__).resolve().parents[4] / "checkpoints"


def checkpoints() -> dict[str, Path]:
    """Give the folders of all checkpoints by name, in alphabetical order.

    Raises:
        CheckpointError: FER_CHECKPOINTS names a repository of the Hub that can't be had.
    """
    place = checkpoints_dir()
    folders = [config.parent for config in (*place.glob(CONFIG), *place.glob(f"*/{CONFIG}"))]
    return {folder.name: folder for folder in sorted(folders)}


def available() -> list[str]:
    """List the names that ``load`` knows, in alphabetical order."""
    return list(checkpoints())


def folder_of(name: str) -> Path:
    """Find a checkpoint by name, path or ``hf://OWNER/NAME``, a repository of the Hub.

    Raises:
        CheckpointError: There is none.
    """
    folder = _fetch(name) if name.startswith(_HUB) else Path(name)
    if not (folder / CONFIG).is_file():
        folder = checkpoints().get(name, folder)
    if (folder / CONFIG).is_file():
        return folder
    known = ", ".join(available()) or "none yet"
    raise CheckpointError(
        f"there is no checkpoint {name!r}: it is neither a folder with a {CONFIG} nor a name in {checkpoints_dir()}, "
        f"which has: {known}"
    )


@cache
def _fetch(place: str) -> Path:
    """Fetch the checkpoints of a repository, once a process, into a folder that bears its name.

    Only cards, configurations and weights are taken. Without a network, what was fetched before is given.
    """
    from huggingface_hub import constants, snapshot_download  # here, as few need it

    name, _, revision = place.removeprefix(_HUB).partition("@")
    target = Path(constants.HF_HUB_CACHE, "fer-lightning", revision or "newest", *name.split("/"))
    wanted = [start + file for start in ("", "*/") for file in (WEIGHTS, CONFIG, CARD, ONNX, ONNX_INT8)]
    try:
        return Path(snapshot_download(name, revision=revision or None, local_dir=target, allow_patterns=wanted))
    except Exception as error:  # of the network, the Hub, the disk, or a name that can't be
        raise CheckpointError(
            f"{place} can't be fetched from the Hugging Face Hub ({_first_line(error)}): check its name "
            f"({_HUB}OWNER/NAME or {_HUB}OWNER/NAME@REVISION) and the network"
        ) from error


def describe(name: str) -> dict[str, Any]:
    """Read ``config.json`` of a checkpoint by name or path, and see that its weights are whole, without loading them.

    Raises:
        CheckpointError: It is missing, damaged, or of another version.
    """
    folder = folder_of(name)
    config = _read_config(folder)
    try:
        with safe_open(folder / WEIGHTS, framework="pt"):  # refuses a file that is shorter than its header says
            return config
    except Exception as error:  # a stranger's file can hold anything
        raise _damaged(folder, error) from error


def load(name: str) -> Checkpoint:
    """Load a published checkpoint by name or path.

    Raises:
        CheckpointError: It is missing, damaged, or of another version.
    """
    folder = folder_of(name)
    config = _read_config(folder)
    try:
        network = build_network(config["model"], config["network_config"])
        weights = load_file(folder / WEIGHTS)
        network.load_state_dict({key: x.float() if x.is_floating_point() else x for key, x in weights.items()})
        preprocess = Preprocess.from_dict(config["preprocess"])
        if list(_labels(config)) != config["labels"]:
            raise UserError(f"{config['network_config']} doesn't give the emotions {config['labels']}")
        if (preprocess.size, preprocess.channels) != (network.input_size, network.input_channels):
            raise UserError(f"{preprocess} is not what {config['model']} takes")
        checkpoint = Checkpoint(folder.resolve().name, network.eval(), preprocess, config, folder)
        if not (0 < checkpoint.temperature < inf and 0 <= (checkpoint.uncertain_below or 0) <= 1):
            raise UserError(f"its calibration {config['calibration']} makes no sense")
    except Exception as error:  # a stranger's file can hold anything
        raise _damaged(folder, error) from error
    return checkpoint


def load_any(name: str) -> Checkpoint:
    """Load a published checkpoint, a run's folder or a ``.ckpt``: for judging and exporting, not for serving."""
    best = Path(name, "checkpoints", "best.ckpt")
    if best.is_file():
        return load_run(best)
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
        network = build_network(settings["model"], settings["network_config"])
        prefix = "network."
        weights = {key.removeprefix(prefix): x for key, x in content["state_dict"].items() if key.startswith(prefix)}
        network.load_state_dict(weights)
        preprocess = input_of(network)
    except Exception as error:  # a damaged file can raise anything
        raise CheckpointError(
            f"{path} is not a usable .ckpt of this project ({_first_line(error)}): give a run's best.ckpt"
        ) from error
    config = {"model": settings["model"], "network_config": settings["network_config"], "training": settings}
    return Checkpoint(path.resolve().parents[1].name, network.eval(), preprocess, config)


def build_network(model: str, config: dict[str, Any]) -> Network:
    """Make a network of the registry with random weights.

    Raises:
        UserError: The name is unknown, or the network refuses the arguments.
    """
    if model not in NETWORKS:
        raise UserError(f"there is no network {model!r}: choose one of {', '.join(NETWORKS)}")
    try:
        return NETWORKS[model](**config)
    except Exception as error:
        raise UserError(f"{model} can't be built with {config}: {_first_line(error)}") from error


def place(network: AnyNetwork, device: str) -> AnyNetwork:
    """Move a network to a device by its name, e.g. ``cpu`` or ``cuda``.

    Raises:
        UserError: There is no such device.
    """
    try:
        return network.to(device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {device} can't be used ({_first_line(error)}); use cpu") from error


def input_of(network: Network) -> Preprocess:
    """Give the ``Preprocess`` that a network asks for by its ``input_size`` and ``input_channels``."""
    mean, std = network.input_mean or FER2013_MEAN, network.input_std or FER2013_STD
    channels = network.input_channels
    return Preprocess(network.input_size, channels, (mean,) * channels, (std,) * channels)


def save_checkpoint(folder: Path, network: Network, config: dict[str, Any], card: str) -> None:
    """Write a checkpoint folder; floating-point weights are stored as float16."""
    weights = {
        key: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for key, value in network.state_dict().items()
    }
    write_atomically(folder / WEIGHTS, save(weights))
    save_config(folder, config, card)


def save_config(folder: Path, config: dict[str, Any], card: str) -> None:
    """Write what a checkpoint folder holds beside the weights."""
    text = json.dumps(
        {"format_version": FORMAT_VERSION, "labels": _labels(config), **config}, indent=2, allow_nan=False
    )
    write_atomically(folder / CARD, card.encode())
    write_atomically(folder / CONFIG, f"{text}\n".encode())


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a folder beside a checkpoint's place, to be filled; it takes that place at the end, or never.

    Raises:
        UserError: The target is there and is no checkpoint.
    """
    if target.exists() and not (target / CONFIG).is_file():
        raise UserError(f"{target} is there and is no checkpoint: choose another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as beside:
        new, old = Path(beside, target.name), Path(beside, "old")
        yield new
        if target.exists():
            target.rename(old)
        new.rename(target)


def _labels(config: dict[str, Any]) -> tuple[str, ...]:
    return class_names(config["network_config"].get("num_classes", len(EMOTIONS)))


def _damaged(folder: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint {folder} is damaged, or made by another version of fer-models ({_first_line(error)}): "
        "fetch or export it again"
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


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
    if not isinstance(model, str) or model not in NETWORKS:
        raise CheckpointError(f"{folder / CONFIG} names the network {model!r}; known are {', '.join(NETWORKS)}")
    if labels not in (list(EMOTIONS), list(FERPLUS_EMOTIONS)):
        raise CheckpointError(
            f"{folder / CONFIG} orders the emotions {labels}, but this project's order is {list(EMOTIONS)}, or for "
            f"FER+ {list(FERPLUS_EMOTIONS)}"
        )
    return config
