"""Find FER2013, load it through the cache, and describe it."""

import logging
import os
from contextlib import suppress
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_data import ferplus, layouts
from fer_data.cache import cached, digest
from fer_data.emotions import EMOTIONS
from fer_data.errors import DataError
from fer_data.table import SIZE, USAGES, FaceTable

MIRROR = "msambare/fer2013/versions/1"
"""The pinned version lets kagglehub answer from its own cache without a network."""

TRAINING, _, PRIVATE_TEST = range(len(USAGES))


def load(data: str = "auto", *, cache: bool = True) -> FaceTable:
    """Load FER2013 from wherever it is.

    Args:
        data: ``auto`` (see ``locate``), the path of a file or folder in any layout that ``layouts`` knows,
            ``synthetic`` for drawn faces, or ``synthetic:N`` for N of them; ``ferplus``, or ``ferplus:PATH``, for
            FER+'s eight labels instead of FER2013's.
        cache: Keep the parsed data under ``$FER_CACHE`` (else ``~/.cache/fer-lightning``), so that the next start
            is quick. ``images`` is then a read-only memory map.

    Returns:
        The table; its notes say what the user should know about this copy.

    Raises:
        DataError: There is no data, or they are bad.
    """
    kind, _, place = data.partition(":")
    if kind == "synthetic":
        return _synthetic(data)
    if kind == "ferplus":
        faces = place or "auto"
        return ferplus.relabelled(with_votes(load(faces, cache=cache), faces))
    source = locate(data)
    return cached(source) if cache else layouts.read(source)


def _synthetic(data: str) -> FaceTable:
    from fer_data.synthetic import synthetic_table

    _, colon, count = data.partition(":")
    if not colon:
        return synthetic_table()
    if not (count.isascii() and count.isdecimal() and int(count) > 0):
        raise DataError(f"--data {data}: {count!r} is no number of faces. Write e.g. synthetic:700.")
    return synthetic_table(int(count))


def locate(data: str = "auto") -> Path:
    """Find the data: at the path given, or for ``auto`` at the first place that has them.

    The places are ``$FER2013_DIR``, ``./data``, ``./data/fer2013``, and a download of the Kaggle mirror.

    Raises:
        DataError: The path doesn't exist, or ``auto`` finds nothing and can't download.
    """
    told = os.environ.get("FER2013_DIR") if data == "auto" else data
    if told:
        source = Path(told).expanduser()
        if not source.exists():
            name = "FER2013_DIR" if data == "auto" else "--data"
            raise DataError(f"{name} is {told}, which doesn't exist. Correct it, or use --data synthetic to try out.")
        return source
    for source in (Path("data"), Path("data/fer2013")):
        with suppress(DataError):
            layouts.find(source)
            return source
    return _download()


def _download() -> Path:
    try:
        import kagglehub
        import requests
        from kagglehub.config import get_cache_folder

        logging.getLogger("kagglehub").setLevel(logging.ERROR)
        if not Path(get_cache_folder(), "datasets/msambare/fer2013/1.complete").exists():
            # kagglehub itself sets no timeout and would wait minutes for a network that swallows packets.
            requests.head("https://www.kaggle.com", timeout=5)
        return Path(kagglehub.dataset_download(MIRROR))
    except Exception as error:  # whatever stops the download, the user's ways out are the same
        raise DataError(
            "FER2013 isn't in $FER2013_DIR, ./data or ./data/fer2013, and the Kaggle mirror msambare/fer2013 can't "
            f"be downloaded ({type(error).__name__}). Give --data PATH (a fer2013.csv or a folder), set FER2013_DIR, "
            "put the data into ./data, install kagglehub and connect to the internet, or try things out with "
            "--data synthetic."
        ) from None


def votes_beside(data: str) -> Path | None:
    """Look for FER+'s votes beside the faces that ``load(data)`` gives; None where there are none.

    Args:
        data: As for ``load``, but not ``ferplus``.

    Raises:
        DataError: As for ``load``.
    """
    drawn = data.partition(":")[0] == "synthetic"
    return None if drawn else ferplus.find_votes(layouts.find(locate(data))[1])


def with_votes(table: FaceTable, data: str) -> FaceTable:
    """Join FER+'s votes, from beside the data, to the faces that ``load(data)`` gave, if they haven't got them.

    Raises:
        DataError: There are none, or they don't fit.
    """
    if table.votes is not None:
        return table
    path = votes_beside(data)
    if path is None:
        raise DataError(
            f"--data {data} has no FER+ votes: put fer2013new.csv of the microsoft/FERPlus repository beside the faces"
        )
    return replace(table, votes=ferplus.read_votes(path, table))


def fingerprint(table: FaceTable) -> str:
    """Give the SHA-256 of images, labels and usage, as 64 hex digits; the order of the faces counts."""
    return digest(table.images, table.labels, table.usage)


def image_numbers(table: FaceTable) -> NDArray[np.intp]:
    """Number the distinct images, (N,): faces with the same number have the same pixels."""
    return np.asarray(pd.factorize(np.array(layouts.content_hashes(table.images)))[0])


def duplicates(table: FaceTable, groups: NDArray[np.intp] | None = None) -> dict[str, Any]:
    """Count exact copies of images.

    Args:
        table: The faces.
        groups: (N,), the same number for the same pixels, where it is known already.

    Returns:
        ``copies``: faces whose image stands earlier in the table. For each split and each two of them, e.g.
        ``"Training"`` and ``"Training+PrivateTest"``: ``pairs`` of faces with the same pixels, and how many of
        these pairs have ``different_labels``.
    """
    groups = image_numbers(table) if groups is None else groups
    distinct = int(groups.max(initial=-1)) + 1
    counts = np.zeros((distinct, len(USAGES), len(table.classes)), np.int64)
    np.add.at(counts, (groups, table.usage, table.labels), 1)
    found: dict[str, Any] = {"copies": len(groups) - distinct}
    for a, b in combinations_with_replacement(range(len(USAGES)), 2):
        pairs, same = _pairs(counts.sum(axis=2), a, b), _pairs(counts, a, b)
        name = USAGES[a] if a == b else f"{USAGES[a]}+{USAGES[b]}"
        found[name] = {"pairs": pairs, "different_labels": pairs - same}
    return found


def _pairs(counts: NDArray[np.int64], a: int, b: int) -> int:
    first, second = counts[:, a], counts[:, b]
    return int((first * (first - 1) // 2 if a == b else first * second).sum())


def dedup_test_mask(table: FaceTable, groups: NDArray[np.intp] | None = None) -> NDArray[np.bool_]:
    """Mark the PrivateTest faces whose image stands in neither Training nor PublicTest; bool (N,)."""
    groups = image_numbers(table) if groups is None else groups
    test: NDArray[np.bool_] = table.usage == PRIVATE_TEST
    return test & ~np.isin(groups, groups[~test])


def stats(data: str = "auto", *, cache: bool = True) -> dict[str, Any]:
    """Describe the data, as builtins that JSON can write.

    Returns:
        source, n, counts (split -> emotion -> faces), duplicates, test_dedup_n, mean and std (of the Training
        pixels, in [0, 1]), rows_known, ferplus (the path of ``fer2013new.csv`` beside the data, or None),
        fingerprint, notes. Where FER+ is there, ``ferplus_disagrees`` gives for each split how many faces have a FER+
        majority, and for which share of them it isn't FER2013's label.

    Raises:
        DataError: As for ``load``.
    """
    drawn = data.partition(":")[0] == "synthetic"
    source = data if drawn else str(locate(data))
    table = load(source, cache=cache)
    votes = votes_beside(source)
    counts = {
        usage: np.bincount(table.labels[table.usage == split], minlength=len(EMOTIONS)).tolist()
        for split, usage in enumerate(USAGES)
    }
    mean, std = cv2.meanStdDev(table.images[table.usage == TRAINING].reshape(-1, SIZE))
    groups = image_numbers(table)
    return {
        "source": source,
        "n": len(table.labels),
        "counts": {usage: dict(zip(EMOTIONS, row, strict=True)) for usage, row in counts.items()},
        "duplicates": duplicates(table, groups),
        "test_dedup_n": int(dedup_test_mask(table, groups).sum()),
        "mean": float(mean.item() / 255),
        "std": float(std.item() / 255),
        "rows_known": table.rows is not None,
        "ferplus": str(votes) if votes else None,
        "ferplus_disagrees": ferplus.disagreement(votes, table) if votes and table.rows is not None else None,
        "fingerprint": fingerprint(table),
        "notes": list(table.notes),
    }
