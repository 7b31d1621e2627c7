"""FER+: ten people's votes on each face of FER2013 (Barsoum et al. 2016, https://arxiv.org/abs/1608.01041)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_data.emotions import FERPLUS_EMOTIONS, FERPLUS_VOTES, emotion_index
from fer_data.errors import DataError
from fer_data.layouts import readable, require
from fer_data.table import USAGES, FaceTable

REMEDY = "Download fer2013new.csv again from the microsoft/FERPlus repository."


def find_votes(source: Path) -> Path | None:
    """Look for ``fer2013new.csv`` in a data folder, or beside a data file; None where there is none."""
    path = (source if source.is_dir() else source.parent) / "fer2013new.csv"
    return path if path.is_file() else None


def read_votes(path: Path, table: FaceTable) -> NDArray[np.uint8]:
    """Join Microsoft's ``fer2013new.csv`` to the faces by row of the official CSV.

    Args:
        path: The file; its data row i belongs to row i of ``fer2013.csv``.
        table: Faces whose rows are known.

    Returns:
        uint8 (N, 10): votes from 0 to 10, columns as in ``FERPLUS_VOTES``, faces in the table's order.

    Raises:
        DataError: The table's rows aren't known, or the file is damaged or doesn't agree with the table.
    """
    if table.rows is None:
        raise DataError(
            f"{path}: FER+ can't be joined, because this layout doesn't tell each face's row in fer2013.csv. These "
            "do: fer2013.csv, icml_face_data.csv, images/train/<emotion>/<row>.jpg, parquet with paths fer<row>."
        )
    with readable(path, REMEDY):
        lines = pd.read_csv(path, dtype=str, keep_default_na=False).fillna("")
    require(path, lines.columns, ("Usage", *FERPLUS_VOTES), REMEDY)
    _check(path, lines, table.rows, table.usage)
    votes: NDArray[np.uint8] = lines[list(FERPLUS_VOTES)].to_numpy().astype(np.uint8)
    return votes[table.rows]


def _check(path: Path, lines: pd.DataFrame, rows: NDArray[np.int64], usage: NDArray[np.uint8]) -> None:
    """Raise a ``DataError`` at the first line whose votes are no votes or whose usage isn't the face's.

    The image names can't be compared: some are empty, and the others don't count the rows.
    """
    good = lines[list(FERPLUS_VOTES)].isin([str(count) for count in range(11)]).all(axis=1).to_numpy(copy=True)
    known = rows < len(lines)
    good[rows[known]] &= lines["Usage"].to_numpy()[rows[known]] == np.array(USAGES)[usage[known]]
    sizes = f"{path} has {len(lines):,} rows, the data have {len(rows):,} faces"
    if not good.all():
        row = int(np.argmin(good))
        said = ",".join(lines.loc[row])
        raise DataError(f"{sizes}; data row {row + 1} is the first that disagrees: {said!r}. {REMEDY}")
    if len(lines) != len(rows) or not known.all():
        row = min(len(lines), len(rows))
        raise DataError(f"{sizes}; data row {row + 1} is the first without its like. {REMEDY}")


def majority(votes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Give each face the emotion that more than half of its votes name.

    The rule is the 'majority' mode of Microsoft's own code (``_process_data`` in
    https://github.com/microsoft/FERPlus/blob/master/src/ferplus.py): single votes are removed as outliers; what
    then has more than half of the votes left is the label; faces whose label would be 'unknown' or 'NF' (not a
    face), or that have none, are dropped.

    Args:
        votes: uint8 (N, 10), columns as in ``FERPLUS_VOTES``.

    Returns:
        int8 (N,): index into ``FERPLUS_EMOTIONS``, -1 for a dropped face.
    """
    kept = np.where(votes > 1, votes, 0).astype(np.int64)
    label = kept.argmax(axis=1)
    decided = (kept.max(axis=1) > 0.5 * kept.sum(axis=1)) & (label < len(FERPLUS_EMOTIONS))
    return np.where(decided, label, -1).astype(np.int8)


def majority_as_labelled(votes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Give each face's majority by FER2013's numbers.

    Args:
        votes: uint8 (N, 10), columns as in ``FERPLUS_VOTES``.

    Returns:
        int8 (N,): index into ``EMOTIONS``; -1 for contempt, which FER2013 doesn't have; -2 without a majority.
    """
    codes = [-1 if (code := emotion_index(name)) is None else code for name in FERPLUS_EMOTIONS]
    return np.array([*codes, -2], np.int8)[majority(votes)]  # without one it is -1: the last


def votes_of(table: FaceTable) -> NDArray[np.uint8]:
    """Give a table's votes, uint8 (N, 10).

    Raises:
        DataError: It has none.
    """
    if table.votes is None:
        raise DataError("the table given has no FER+ votes: add them with fer_data.fer2013.with_votes")
    return table.votes


def relabelled(table: FaceTable) -> FaceTable:
    """Give faces their FER+ majorities for labels; those that have none are left out.

    Raises:
        DataError: The table has no votes.
    """
    label = majority(votes_of(table))
    decided = label >= 0
    note = f"The labels are FER+'s; {int((~decided).sum()):,} faces without a majority for an emotion are left out."
    return replace(
        table.take(decided),
        labels=label[decided].astype(np.uint8),
        classes=FERPLUS_EMOTIONS,
        notes=(*table.notes, note),
    )


def shares(votes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give how the votes for an emotion are shared out among the eight.

    Args:
        votes: uint8 (N, 10), columns as in ``FERPLUS_VOTES``.

    Returns:
        float32 (N, 8): rows sum to 1, or to 0 where no more than half of a face's votes name an emotion.
    """
    emotions = votes[:, : len(FERPLUS_EMOTIONS)].astype(np.float32)
    named = emotions.sum(axis=1, keepdims=True)
    usable = 2 * named > votes.sum(axis=1, keepdims=True)
    return np.where(usable, emotions / named.clip(1), np.float32(0))


def disagreement(path: Path, table: FaceTable) -> dict[str, dict[str, Any]]:
    """Compare FER+'s majority with FER2013's label: how noisy the labels are, by split.

    Returns:
        For each usage ``n``, the faces that have a FER+ majority, and ``share``, 0..1, of them whose FER2013 label is
        another emotion. Contempt, which FER2013 doesn't have, counts as another.
    """
    label = majority_as_labelled(read_votes(path, table))
    other, decided = label != table.labels, label > -2
    of_split = {name: decided & (table.usage == split) for split, name in enumerate(USAGES)}
    return {
        name: {"n": int(mask.sum()), "share": round(float(other[mask].mean()), 4)}
        for name, mask in of_split.items()
        if mask.any()
    }
