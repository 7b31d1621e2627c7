"""FER2013 as a LightningDataModule: splits, sampler, loaders."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from fer_data import ferplus
from fer_data.augment import Augment, strength
from fer_data.batch_augment import BatchAugment, as_input
from fer_data.errors import DataError, UserError, check_range
from fer_data.fer2013 import TRAINING, load, with_votes
from fer_data.preprocess import Preprocess
from fer_data.soft_labels import read_soft_labels
from fer_data.table import SIZE, USAGES, FaceTable

Key = int | tuple[int, int]
Batch = dict[str, torch.Tensor]


class FaceDataset(Dataset[dict[str, Any]]):
    """Faces as a network takes them.

    Args:
        images: uint8 (N, 48, 48).
        labels: uint8 (N,), 0 to 6.
        preprocess: The network's.
        augment: Applied first; None for validation and test.
        seed: Decides, together with epoch and index, how a face is augmented.
        beside: What else a batch tells of the faces: float32 (N, K) by name.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        preprocess: Preprocess,
        augment: Augment | None = None,
        seed: int = 0,
        beside: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> None:
        self.images, self.labels = images, labels
        self.preprocess, self.augment, self.seed = preprocess, augment, seed
        self.beside = dict(beside or {})

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, key: Key) -> dict[str, Any]:
        """Give face ``key``, or for ``(epoch, index)`` face ``index`` as epoch ``epoch`` augments it.

        Returns:
            ``image``: float32 (C, S, S); ``label``: int; and what is ``beside``, each (K,).
        """
        epoch, index = key if isinstance(key, tuple) else (0, key)
        image = self.images[index]
        if self.augment is not None:
            image = self.augment(image, seed=(self.seed * 1_000_003 + epoch) * 1_000_003 + index)
        beside = {name: column[index] for name, column in self.beside.items()}
        return {"image": torch.from_numpy(self.preprocess(image)), "label": int(self.labels[index]), **beside}


class WholeBatches(Dataset[dict[str, Any]]):
    """Faces as they are, a batch at a time, to be augmented where the network is.

    Args:
        images: uint8 (N, 48, 48); None gives the faces' positions instead.
        labels: uint8 (N,), 0 to 6.
        seed: Decides, together with the epoch and the batch's faces, how the batch is augmented.
        beside: What else a batch tells of the faces: float32 (N, K) by name.
    """

    def __init__(
        self,
        images: NDArray[np.uint8] | None,
        labels: NDArray[np.uint8],
        seed: int,
        beside: Mapping[str, NDArray[np.float32]],
    ) -> None:
        self.images, self.seed = images, seed
        self.columns: dict[str, NDArray[Any]] = {"label": labels.astype(np.int64), **beside}

    def __len__(self) -> int:
        return len(self.columns["label"])

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> dict[str, Any]:
        """Give the faces ``(epoch, index)`` of one batch.

        Returns:
            ``image``: uint8 (B, 48, 48), or ``index``: int64 (B,); ``label``: int64 (B,); what is ``beside``, each
            (B, K); ``augment_seed``: int.
        """
        chosen = np.array([index for _, index in keys])
        faces = {"index": chosen} if self.images is None else {"image": self.images[chosen]}
        rows = {**faces, **{name: column[chosen] for name, column in self.columns.items()}}
        mixed = np.random.SeedSequence([self.seed, keys[0][0], *chosen.tolist()]).generate_state(1, np.uint64)
        return {**{name: torch.from_numpy(x) for name, x in rows.items()}, "augment_seed": int(mixed[0]) >> 1}


class EpochSampler(Sampler[tuple[int, int]]):
    """Shuffle by seed and epoch alone, so that any number of workers, or a resumed run, sees the same batches.

    Several devices take turns: rank r gets every ``world_size``-th face, and a rest that doesn't divide is left out.

    Args:
        n: Number of faces.
        seed: Of the run.
        weights: (n,) float. Draw with replacement in proportion to these; None takes each face once.
        rank: This process among those that share the epoch.
        world_size: How many they are.
    """

    def __init__(
        self, n: int, seed: int, weights: torch.Tensor | None = None, rank: int = 0, world_size: int = 1
    ) -> None:
        self.n, self.seed, self.weights = n, seed, weights
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls it as each begins."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n // self.world_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        if self.weights is None:
            order = torch.randperm(self.n, generator=generator)
        else:
            order = torch.multinomial(self.weights, self.n, replacement=True, generator=generator)
        share = order[: len(self) * self.world_size][self.rank :: self.world_size]
        return iter([(self.epoch, index) for index in share.tolist()])


class FER2013DataModule(LightningDataModule):
    """FER2013 in its official splits: Training trains, PublicTest selects, PrivateTest is reported.

    Args:
        data: A file or folder with FER2013 in any known layout; ``auto`` looks in FER2013_DIR and data/ and then
            downloads it; ``synthetic`` draws faces, no download needed; ``ferplus`` and ``ferplus:PATH`` take FER+'s
            eight labels instead of FER2013's, a track of its own.
        batch_size: Faces in a batch, on each device.
        num_workers: Processes that load; -1 means none without a GPU or for what the device augments, else up to 8 for
            each device.
        augment: Named strength of augmentation: none, flip, light, medium or strong.
        hflip: Probability of a horizontal flip. Here and below: empty keeps the named strength's value.
        vflip: Probability of a vertical flip.
        rotate: Largest rotation, degrees.
        scale: Largest change of size, as a share.
        shift: Largest shift, as a share of the side.
        noise: Largest standard deviation of noise, as a share of the pixel range.
        brightness: Largest change of brightness, as a share.
        contrast: Largest change of contrast, as a share.
        gamma: Largest change of gamma, as a share.
        erase: Probability of erasing a rectangle.
        augment_on: ``workers`` augment face by face with Albumentations; ``device`` augments whole batches, as
            strongly, where the network is.
        data_on: ``device`` keeps all of Training there too (66 MB), so that only positions have to travel to it.
        balance: Against class imbalance (disgust has 436 of 28,709 faces): ``sampler`` draws all emotions equally
            often, ``loss`` weighs each face by its emotion's rarity, ``none`` leaves it.
        soft_labels: A file of experiments/soft_labels.py, made for the same data; see ``--soft_label_weight``.
        seed: Decides order and augmentation.
        preprocess: The network's input.
        votes: Give FER+'s votes with the batches of Training; they must lie beside the data.
        table: Faces from Python instead of ``data``'s; they need no PrivateTest.
    """

    _images: torch.Tensor | None = None

    def __init__(
        self,
        data: str = "auto",
        batch_size: int = 128,
        num_workers: int = -1,
        augment: str = "medium",
        hflip: float | None = None,
        vflip: float | None = None,
        rotate: float | None = None,
        scale: float | None = None,
        shift: float | None = None,
        noise: float | None = None,
        brightness: float | None = None,
        contrast: float | None = None,
        gamma: float | None = None,
        erase: float | None = None,
        augment_on: Literal["workers", "device"] = "workers",
        data_on: Literal["host", "device"] = "host",
        balance: Literal["none", "sampler", "loss"] = "none",
        soft_labels: str | None = None,
        seed: int = 0,
        preprocess: Preprocess | None = None,
        votes: bool = False,
        table: FaceTable | None = None,
    ) -> None:
        super().__init__()
        check_range("--batch_size", batch_size, 1)
        check_range("--num_workers", num_workers, -1)
        check_range("--seed", seed, 0, 2**32 - 1)
        self.data, self.batch_size, self.num_workers = data, batch_size, num_workers
        self.balance, self.seed, self.soft_labels = balance, seed, soft_labels
        self.preprocess = preprocess or Preprocess()
        wanted = strength(
            augment, hflip=hflip, vflip=vflip, rotate=rotate, scale=scale, shift=shift, noise=noise,
            brightness=brightness, contrast=contrast, gamma=gamma, erase=erase,
        )  # fmt: skip
        self.augment = Augment(wanted)
        self.votes, self.augment_on, self.data_on = votes, augment_on, data_on
        self._check_places()
        self._table = table and _checked(table, "the table given", USAGES[:2])

    @property
    def table(self) -> FaceTable:
        """All faces, read on first use."""
        if self._table is None:
            table = _checked(load(self.data), self.data, USAGES)
            self._table = with_votes(table, self.data) if self.votes else table
        return self._table

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """How many Training faces each emotion has, (7,)."""
        training = self.table.labels[self.table.usage == USAGES.index("Training")]
        return np.bincount(training, minlength=len(self.table.classes)).astype(np.int64)

    @property
    def loss_weights(self) -> list[float] | None:
        """One weight for each emotion, mean 1 over the faces, where ``balance`` is ``loss``; else None."""
        if self.balance != "loss":
            return None
        counts = self.class_counts
        return [float(counts.sum() / (np.count_nonzero(counts) * n)) if n else 0.0 for n in counts]

    @cached_property
    def beside(self) -> dict[str, NDArray[np.float32]]:
        """What batches of Training tell of each face beside image and label, where it is asked for.

        ``soft_label``, (N, 7), rows sum to 1; ``votes``, (N, 8), see ``ferplus.shares``.
        """
        found = {}
        if self.soft_labels is not None:
            found["soft_label"] = read_soft_labels(Path(self.soft_labels), self.table, self.table.classes)
        if self.votes:
            found["votes"] = ferplus.shares(ferplus.votes_of(self.table)[self.table.usage == TRAINING])
        return found

    def prepare_data(self) -> None:
        """Fetch and parse the data once, in one process, before the others look."""
        _ = self.beside

    def dataset(self, usage: str, augment: bool = False) -> FaceDataset:
        """Give one official split, e.g. ``dataset("PrivateTest")``."""
        chosen = np.flatnonzero(self.table.usage == USAGES.index(usage))
        images, labels = self.table.images[chosen], self.table.labels[chosen]
        beside = self.beside if usage == "Training" else None
        return FaceDataset(images, labels, self.preprocess, self.augment if augment else None, self.seed, beside)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Load Training, augmented and shuffled, in whole batches where there is one."""
        dataset = self.dataset("Training", augment=True)
        weights = None
        if self.balance == "sampler":
            weights = torch.from_numpy(1 / self.class_counts.clip(1))[torch.from_numpy(dataset.labels).long()]
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sampler = EpochSampler(len(dataset), self.seed, weights, rank, world_size)
        whole = {"sampler": sampler, "drop_last": len(sampler) >= self.batch_size}
        if self.augment_on == "workers":
            return self._loader(dataset, **whole)
        images = dataset.images if self.data_on == "host" else None
        batches = WholeBatches(images, dataset.labels, self.seed, self.beside)
        return self._loader(batches, collate_fn=_as_it_is, **whole)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment a batch of Training, and make it the network's input, where ``augment_on`` is ``device``."""
        if "augment_seed" not in batch:
            return batch
        rest = {name: x for name, x in batch.items() if name not in ("image", "index", "augment_seed")}
        images = batch["image"] if "image" in batch else self._images_on(batch["index"].device)[batch["index"]]
        faces = BatchAugment(self.augment.strength)(images, batch["augment_seed"])
        return {"image": as_input(faces, self.preprocess), **rest}

    def _images_on(self, device: torch.device) -> torch.Tensor:
        if self._images is None or self._images.device != device:
            self._images = torch.from_numpy(self.dataset("Training").images).to(device)
        return self._images

    def val_dataloader(self) -> DataLoader[Batch]:
        """Load PublicTest; every device sees all of it, so that its metrics are exact."""
        return self._loader(self.dataset("PublicTest"))

    def test_dataloader(self) -> DataLoader[Batch]:
        """Load PrivateTest; every device sees all of it."""
        return self._loader(self.dataset("PrivateTest"))

    def _check_places(self) -> None:
        if self.data_on == "device" and self.augment_on != "device":
            raise UserError("--data_on device needs --augment_on device as well: workers can't reach faces there")
        if self.augment_on == "device" and self.preprocess.size != SIZE:
            raise UserError(
                f"--augment_on device is for networks whose input_size is {SIZE}, not {self.preprocess.size}: OpenCV "
                "enlarges faces for the others, and rounds otherwise than torch; use --augment_on workers"
            )

    def _loader(self, dataset: Dataset[Any], **kwargs: Any) -> DataLoader[Batch]:
        workers = self.num_workers
        if workers < 0:
            gpus = torch.cuda.device_count()
            busy = gpus and not isinstance(dataset, WholeBatches)
            workers = min(8, (os.cpu_count() or 1) // gpus) if busy else 0
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            **kwargs,
        )


def _as_it_is(batch: dict[str, Any]) -> dict[str, Any]:
    return batch


def _checked(table: FaceTable, name: str, needed: Sequence[str]) -> FaceTable:
    """Give the table, if it has faces in all splits that are needed."""
    empty = [usage for i, usage in enumerate(USAGES) if usage in needed and not (table.usage == i).any()]
    if empty:
        raise DataError(f"{name} has no {' and no '.join(empty)} faces: training needs all of {', '.join(needed)}")
    return table
