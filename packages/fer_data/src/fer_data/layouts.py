"""Readers for the layouts in which FER2013 is passed on: Kaggle's CSV, image folders, Hugging Face parquet.

``read`` looks at what is there and picks the reader. Every reader gives a ``FaceTable``, or raises a
``DataError`` whose sentence names the file, the row, and what to do.
"""

import difflib
import hashlib
import io
import json
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from fer_data.emotions import EMOTIONS, emotion_index
from fer_data.errors import DataError
from fer_data.table import SIZE, USAGES, FaceTable

FIRST_ROWS = (0, 28709, 32298, 35887)
"""Row of the official ``fer2013.csv`` at which each usage begins, and the number of its rows."""

TRAIN, VALIDATION, TEST = range(len(USAGES))
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "publictest"), VALIDATION),
    **dict.fromkeys(("test", "privatetest"), TEST),
}
CSV_NAMES = (
    *(f"{stem}.csv{suffix}" for stem in ("fer2013", "icml_face_data") for suffix in ("", ".gz", ".xz", ".zip")),
    "fer2013.tar.gz",
)
CSV_SUFFIXES = (".csv", ".gz", ".xz", ".zip", ".tgz")
CHUNK_ROWS = 2048
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

KNOWN_LAYOUTS = (
    "fer2013.csv or icml_face_data.csv (plain, .gz, .xz or .zip), fer2013.tar.gz, "
    "folders train/<emotion>/ and test/<emotion>/, "
    "folders images/train/<emotion>/ and images/validation/<emotion>/ with row numbers as names, "
    "or train-*.parquet and test-*.parquet"
)
DOWNLOAD_AGAIN = "Download it again."
CROP = "Make gray 48x48 faces with `fer-data crop`."

Reader = Callable[[Path], FaceTable]


def read(source: Path) -> FaceTable:
    """Read faces from a file or folder in any of the known layouts.

    Args:
        source: A CSV file, or a folder that holds one of the layouts, itself or one level down.

    Returns:
        The table, with notes on what the user should know about this copy of the data.

    Raises:
        DataError: Nothing usable is there, or a file or row of it is bad.
    """
    reader, path = find(source)
    with readable(path):
        table = reader(path)
    return replace(table, notes=(*table.notes, *_gaps(path, table)))


def find(source: Path) -> tuple[Reader, Path]:
    """Find the layout of a source.

    Returns:
        The reader, and the file or folder that it reads.

    Raises:
        DataError: The path doesn't exist or holds no known layout.
    """
    if not source.exists():
        raise DataError(f"{source}: doesn't exist. Give FER2013's path, or --data synthetic to try things out.")
    if source.is_file() and source.name.endswith(CSV_SUFFIXES):
        return read_csv, source
    there: list[Path] = []
    with readable(source, "Check its permissions."):
        if source.is_dir():
            there = sorted(path for path in source.iterdir() if not path.name.startswith("."))
            for folder in (source, *filter(Path.is_dir, there)):
                if found := _layout_of(folder):
                    return found
    holds = f"holds {', '.join(path.name for path in there[:8])}" if there else "nothing in it"
    raise DataError(f"{source}: no usable layout ({holds}). Give one of these: {KNOWN_LAYOUTS}.")


def _layout_of(folder: Path) -> tuple[Reader, Path] | None:
    for name in CSV_NAMES:
        if (folder / name).is_file():
            return read_csv, folder / name
    if {TRAIN, TEST} <= {split for split, _ in _splits(folder.glob("*.parquet"))}:
        return read_parquet, folder
    splits = {split for split, _ in _splits(filter(Path.is_dir, folder.iterdir()))}
    if {TRAIN, TEST} <= splits:
        return read_folders, folder
    return (read_numbered_folders, folder) if splits == {TRAIN, VALIDATION} else None


def _splits(paths: Iterable[Path]) -> list[tuple[int, Path]]:
    """Pair folders or shards with the split that the first word of their name tells, ``valid-00000.parquet``."""
    words = ((re.split(r"[-_.]", path.name.lower())[0], path) for path in paths)
    return sorted((SPLIT_NAMES[word], path) for word, path in words if word in SPLIT_NAMES)


def _gaps(path: Path, table: FaceTable) -> Iterator[str]:
    """Say what this copy lacks; a whole split is an error."""
    if len(table.labels) != FIRST_ROWS[-1]:
        yield f"This copy holds {len(table.labels):,} faces; the official fer2013.csv has {FIRST_ROWS[-1]:,}."
    for split, usage in enumerate(USAGES):
        present = set(table.labels[table.usage == split].tolist())
        if not present:
            raise DataError(f"{path}: has no {usage} face; maybe it is cut short. {DOWNLOAD_AGAIN}")
        if missing := [name for label, name in enumerate(EMOTIONS) if label not in present]:
            yield f"{usage} has no face labelled {', '.join(missing)}."


@contextmanager
def readable(path: Path, remedy: str = DOWNLOAD_AGAIN) -> Iterator[None]:
    """Turn what libraries raise for a damaged file into a ``DataError`` that names the file and the remedy."""
    broken = (EOFError, OSError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, tarfile.TarError)
    try:
        yield
    except UnicodeDecodeError:
        raise DataError(f"{path}: isn't UTF-8 text. {remedy}") from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: is empty. {remedy}") from None
    except pd.errors.ParserError as error:
        raise DataError(f"{path}: isn't a well-formed CSV ({str(error).strip()}). {remedy}") from None
    except (*broken, pa.ArrowException) as error:
        raise DataError(f"{path}: can't be read, is damaged or cut short ({error}). {remedy}") from None


def read_csv(path: Path) -> FaceTable:
    """Read Kaggle's ``fer2013.csv`` or the challenge's ``icml_face_data.csv``.

    Each has the columns emotion (0 to 6), pixels (2,304 numbers from 0 to 255, row by row, with spaces between)
    and Usage, in any order; names may begin with a space. The file may be plain, .gz, .xz, .zip (one CSV inside)
    or .tar.gz (with a member ``fer2013.csv``).

    Raises:
        DataError: The file is damaged, a column is missing, or a row is bad.
    """
    parts = []
    text = {"dtype": str, "keep_default_na": False, "skipinitialspace": True, "index_col": False}
    with readable(path), _csv_in(path) as file, pd.read_csv(file, chunksize=CHUNK_ROWS, **text) as chunks:
        for chunk in chunks:
            require(path, chunk.columns, ("emotion", "pixels", "Usage"), "Take a fer2013.csv that has them all.")
            if chunk.empty:
                raise DataError(f"{path}: has a header but no rows. {DOWNLOAD_AGAIN}")
            chunk = chunk.fillna("")
            labels = _codes(path, chunk["emotion"], [str(label) for label in range(len(EMOTIONS))])
            parts.append((_pixels(path, chunk["pixels"]), labels, _codes(path, chunk["Usage"], USAGES)))
    images, labels, usage = (np.concatenate(part) for part in zip(*parts, strict=True))
    return FaceTable(images.reshape(-1, SIZE, SIZE), labels, usage, np.arange(len(labels)))


def require(path: Path, columns: Iterable[str], names: Iterable[str], remedy: str) -> None:
    """Raise a ``DataError`` if a file lacks columns."""
    columns = list(columns)
    if missing := [name for name in names if name not in columns]:
        raise DataError(f"{path}: no column {', '.join(missing)}; it has {', '.join(columns)}. {remedy}")


@contextmanager
def _csv_in(path: Path) -> Iterator[Path | IO[bytes]]:
    """Open the CSV inside an archive; pandas itself opens a plain, .gz or .xz file."""
    if path.name.endswith((".tar.gz", ".tgz")):
        with tarfile.open(path, "r:gz") as archive:
            member = next((m for m in archive if m.isfile() and Path(m.name).name == "fer2013.csv"), None)
            file = archive.extractfile(member) if member else None
            if file is None:
                raise DataError(f"{path}: no fer2013.csv inside. Extract it and give the folder.")
            yield file
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.endswith(".csv") and not n.startswith("__MACOSX")]
            if len(names) != 1:
                raise DataError(f"{path}: {len(names)} CSV files inside, not one. Extract it and give the folder.")
            with archive.open(names[0]) as file:
                yield file
    else:
        yield path


def _codes(path: Path, values: pd.Series, names: Iterable[str]) -> NDArray[np.uint8]:
    numbers = {name: code for code, name in enumerate(names)}
    codes = values.str.strip().map(numbers)
    if codes.isna().any():
        row = codes.isna().idxmax()
        choices = ", ".join(numbers)
        raise DataError(
            f"{path}, data row {row + 1}: {values.name} is {values[row]!r}, not one of {choices}. {DOWNLOAD_AGAIN}"
        )
    return np.asarray(codes, np.uint8)


def _pixels(path: Path, texts: pd.Series) -> NDArray[np.uint8]:
    """Parse the pixels of many rows at once, (n, 2304); only if that fails, row by row to name the culprit."""
    lists = pc.split_pattern(pa.array(texts, pa.large_string()), " ")
    try:
        values: NDArray[np.uint8] = pc.cast(lists.flatten(), pa.uint8()).to_numpy()
    except pa.ArrowInvalid:
        values = np.empty(0, np.uint8)
    if values.size and (pc.list_value_length(lists).to_numpy() == SIZE * SIZE).all():
        return values.reshape(-1, SIZE * SIZE)
    return np.stack([_pixel_row(f"{path}, data row {row + 1}", text) for row, text in texts.items()])


def _pixel_row(where: str, text: str) -> NDArray[np.uint8]:
    words = text.split()
    if len(words) != SIZE * SIZE:
        raise DataError(f"{where}: {len(words):,} pixels, not {SIZE * SIZE:,} (48x48). {DOWNLOAD_AGAIN}")
    for position, word in enumerate(words):
        if not (word.isascii() and word.isdecimal() and int(word) <= 255):
            said = f"pixel {position + 1} is {word!r}, not a whole number from 0 to 255"
            raise DataError(f"{where}: {said}. {DOWNLOAD_AGAIN}")
    return np.array(words, dtype=np.uint8)


def read_folders(folder: Path) -> FaceTable:
    """Read ``train/<emotion>/*`` and ``test/<emotion>/*`` (the Kaggle mirror msambare/fer2013).

    Usage comes from ``Training_``, ``PublicTest_`` or ``PrivateTest_`` at the start of a file's name. Where names
    don't tell, train is Training; a folder val, valid or validation is PublicTest and test is PrivateTest;
    without such a folder, test is cut in two halves by a fixed rule, and a note says so. Rows aren't known.

    Raises:
        DataError: An emotion folder is misspelt or empty, or a picture is bad.
    """
    return _with_usage(*_decode(_folder_records(folder)))


def read_numbered_folders(folder: Path) -> FaceTable:
    """Read ``train/<emotion>/<row>.jpg`` and ``validation/<emotion>/<row>.jpg`` (Kaggle's jonathanoheix mirror).

    The names are row numbers of the official ``fer2013.csv``. The folders' own split isn't the official one, so
    usage is taken from the row. Faces are given in the order of the rows.

    Raises:
        DataError: A name is no row of the official file, a row comes twice, or a picture is bad.
    """
    table, names = _decode(_folder_records(folder))
    for name in names:
        if not (Path(name).stem.isdecimal() and int(Path(name).stem) < FIRST_ROWS[-1]):
            raise DataError(
                f"{folder}, picture {name}: without a test/ folder, names must be rows of fer2013.csv, "
                f"0 to {FIRST_ROWS[-1] - 1}. Add the test/ folder, or give another copy of the data."
            )
    rows, first = np.unique([int(Path(name).stem) for name in names], return_index=True)
    if len(rows) < len(names):
        twice = next(name for index, name in enumerate(names) if index not in set(first.tolist()))
        raise DataError(f"{folder}, picture {twice}: this row comes twice. Extract the download again.")
    usage = np.searchsorted(FIRST_ROWS, rows, side="right").astype(np.uint8) - np.uint8(1)
    note = "The folders' split isn't the official one: usage was recovered from the rows that the names tell."
    return FaceTable(table.images[first], table.labels[first], usage, rows, (note,))


def read_parquet(folder: Path) -> FaceTable:
    """Read shards ``train-*``, ``valid*-*`` and ``test-*.parquet`` as the Hugging Face Hub has them.

    Each row has an image, struct(bytes, path), and a label. Labels are matched by the names in the Hub's metadata;
    without names they are taken to be in the CSV's order. Usage is the shard's split, as in ``read_folders``.
    Rows are known where every path is ``fer<row>``.

    Raises:
        DataError: A shard is damaged, a column is missing, or a row is bad.
    """
    shards = _splits(folder.glob("*.parquet"))
    table, names = _decode(record for split, path in shards for record in _shard_records(path, split))
    table = _with_usage(table, names)
    found = [re.fullmatch(r"fer(\d+)", Path(name).stem) for name in names]
    if all(found):
        return replace(table, rows=np.array([int(match[1]) for match in found if match]))
    if _label_names(pq.read_schema(shards[0][1])):
        return table
    note = f"The labels have no names: they were taken to be in the CSV's order, {', '.join(EMOTIONS)}."
    return replace(table, notes=(*table.notes, note))


class _Record(NamedTuple):
    split: int
    label: int
    name: str
    where: str
    file: Path | io.BytesIO


def _shard_records(path: Path, split: int) -> Iterator[_Record]:
    with readable(path):
        shard = pq.read_table(path)
    require(path, shard.column_names, ("image", "label"), "Take a copy with both.")
    kind = shard.schema.field("image").type
    if not (pa.types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}):
        raise DataError(f"{path}: column image is {kind}, not struct(bytes, path). Take a copy that has this.")
    names = _label_names(shard.schema) or EMOTIONS
    for row, (image, label) in enumerate(zip(shard["image"].to_pylist(), shard["label"].to_pylist(), strict=True)):
        where = f"{path}, row {row + 1}"
        name = names[label] if isinstance(label, int) and 0 <= label < len(names) else str(label)
        code = emotion_index(name)
        if code is None:
            raise DataError(f"{where}: label {name!r} is none of {', '.join(EMOTIONS)}. Take another copy.")
        image = image or {"bytes": None, "path": None}
        yield _Record(split, code, image["path"] or "", where, io.BytesIO(image["bytes"] or b""))


def _label_names(schema: pa.Schema) -> list[str] | None:
    try:
        names: list[str] = json.loads(schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (TypeError, KeyError, ValueError):
        return None
    return names


def _folder_records(folder: Path) -> Iterator[_Record]:
    for split, split_folder in _splits(filter(Path.is_dir, folder.iterdir())):
        for emotion_folder, label in _emotion_folders(split_folder):
            paths = sorted(path for path in emotion_folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
            if not paths:
                kinds = ", ".join(PICTURE_SUFFIXES)
                raise DataError(f"{emotion_folder}: no picture ({kinds}). Extract it again, or delete the folder.")
            yield from (_Record(split, label, path.name, str(path), path) for path in paths)


def _emotion_folders(folder: Path) -> list[tuple[Path, int]]:
    found = []
    for path in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        label = emotion_index(path.name)
        if label is None:
            close = difflib.get_close_matches(path.name.lower(), EMOTIONS, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Name it one of {', '.join(EMOTIONS)}."
            raise DataError(f"{path}: {path.name!r} is no emotion. {hint}")
        found.append((path, label))
    if not found:
        raise DataError(f"{folder}: holds no emotion folder ({', '.join(EMOTIONS)}). Extract it again.")
    return found


def _decode(records: Iterable[_Record]) -> tuple[FaceTable, list[str]]:
    """Decode pictures into a table whose usage is the split they lie in, and give their names."""
    images, labels, splits, names = [], [], [], []
    for record in records:
        images.append(_gray(record.file, record.where))
        labels.append(record.label)
        splits.append(record.split)
        names.append(record.name)
    stacked = np.array(images, np.uint8).reshape(-1, SIZE, SIZE)
    return FaceTable(stacked, np.array(labels, np.uint8), np.array(splits, np.uint8)), names


def _gray(file: Path | io.BytesIO, where: str) -> NDArray[np.uint8]:
    """Decode a gray 48x48 picture, or a colour copy whose channels are all the same."""
    try:
        with Image.open(file) as picture:
            width, height = picture.size
            if (width, height) != (SIZE, SIZE):
                raise DataError(f"{where}: is {width}x{height} pixels, not 48x48. {CROP}")
            if picture.mode[0] in "IF":
                raise DataError(f"{where}: has more than 8 bits a pixel. {CROP}")
            channels = np.asarray(picture if picture.mode == "L" else picture.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{where}: unreadable picture ({error}). {DOWNLOAD_AGAIN}") from None
    channels = channels.reshape(SIZE, SIZE, -1)
    if (channels != channels[..., :1]).any():
        raise DataError(f"{where}: is a colour picture. {CROP}")
    return channels[..., 0]


def _with_usage(table: FaceTable, names: list[str]) -> FaceTable:
    """Replace the splits of pictures by the challenge's usage, as far as names and splits tell it."""
    told = [next((code for code, usage in enumerate(USAGES) if name.startswith(f"{usage}_")), -1) for name in names]
    silent = np.array(told) < 0
    usage = np.where(silent, table.usage, told).astype(np.uint8)
    silent &= table.usage == TEST
    if not silent.any() or (table.usage == VALIDATION).any():
        return replace(table, usage=usage)
    hashes = np.array(content_hashes(table.images))
    for label in range(len(EMOTIONS)):
        members = np.flatnonzero(silent & (table.labels == label))
        by_content = members[np.argsort(hashes[members])]
        usage[by_content[: (len(members) + 1) // 2]] = VALIDATION
    note = (
        "PublicTest and PrivateTest aren't the official ones: the names don't tell, so the test pictures were cut "
        "in two halves by a fixed rule. Figures on them can't be compared with published ones."
    )
    return replace(table, usage=usage, notes=(note,))


def content_hashes(images: NDArray[np.uint8]) -> list[str]:
    """Give the SHA-256 of each image's pixels; images: uint8 (N, 48, 48)."""
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
