"""Write a small FER2013 in each of the layouts in which it is passed on."""

import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from fer_data.emotions import EMOTIONS, FERPLUS_VOTES
from fer_data.table import USAGES, FaceTable

OFFICIAL_COUNTS = (
    (3995, 436, 4097, 7215, 4830, 3171, 4965),
    (467, 56, 496, 895, 653, 415, 607),
    (491, 55, 528, 879, 594, 416, 626),
)
FIRST_ROWS = (0, 28709, 32298)


def small_table(scale: int = 200, seed: int = 0) -> FaceTable:
    """Make noise faces in the official proportions, each emotion in each split at least twice."""
    rng = np.random.default_rng(seed)
    labels = [np.repeat(np.arange(7), [max(2, n // scale) for n in row]) for row in OFFICIAL_COUNTS]
    usage = np.repeat(np.arange(3), [len(row) for row in labels]).astype(np.uint8)
    for row in labels:
        rng.shuffle(row)
    images = rng.integers(0, 256, (len(usage), 48, 48), dtype=np.uint8)
    return FaceTable(images, np.concatenate(labels).astype(np.uint8), usage, np.arange(len(usage)))


def csv_lines(table: FaceTable, header: str = "emotion,pixels,Usage") -> list[str]:
    """Give the lines of Kaggle's CSV, or of the challenge's if the header's columns are so ordered."""
    lines = [header]
    for image, label, usage in zip(table.images, table.labels, table.usage, strict=True):
        pixels = " ".join(map(str, image.ravel()))
        fields = {"emotion": str(label), "pixels": pixels, "Usage": USAGES[usage]}
        lines.append(",".join(fields[column.strip()] for column in header.split(",")))
    return lines


def write_csv(table: FaceTable, path: Path, header: str = "emotion,pixels,Usage") -> Path:
    """Write the CSV; the suffix of ``path`` decides on its packing."""
    text = "\n".join(csv_lines(table, header)) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path, "w:gz") as archive:
            for name, content in (("fer2013/README", b"read me"), ("fer2013/fer2013.csv", text.encode())):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr("fer2013.csv", text)
            bundle.writestr("__MACOSX/._fer2013.csv", "")
    else:
        opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
        with opener(path, "wt") as file:
            file.write(text)
    return path


Namer = Callable[[int], str]


def by_usage(table: FaceTable) -> Namer:
    """Name pictures as in msambare's mirror, e.g. ``PublicTest_31.png``."""
    return lambda index: f"{USAGES[table.usage[index]]}_{index}.png"


def plain(index: int) -> str:
    """Name pictures so that nothing tells the split."""
    return f"im{index}.png"


def write_folders(
    table: FaceTable, folder: Path, name: Namer, splits: tuple[str, str, str] = ("train", "test", "test")
) -> Path:
    """Write ``<split>/<emotion>/<name>``; ``splits`` are the folders of the three usages."""
    for index, (image, label, usage) in enumerate(zip(table.images, table.labels, table.usage, strict=True)):
        path = folder / splits[usage] / EMOTIONS[label] / name(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def with_official_rows(table: FaceTable) -> FaceTable:
    """Number the faces as if each split began where it does in the official CSV."""
    starts = np.array([first - np.argmax(table.usage == split) for split, first in enumerate(FIRST_ROWS)])
    return replace(table, rows=np.arange(len(table.labels)) + starts[table.usage])


def write_numbered(table: FaceTable, folder: Path) -> Path:
    """Write ``images/train/<emotion>/<row>.png`` and validation, mixed as in jonathanoheix's mirror."""
    rows = with_official_rows(table).rows
    assert rows is not None
    mixed = replace(table, usage=(np.arange(len(rows)) % 5 == 0).astype(np.uint8))
    write_folders(mixed, folder / "images", lambda index: f"{rows[index]}.png", ("train", "validation", ""))
    return folder


def shard(table: FaceTable, names: list[str] | None, path: Callable[[int], str]) -> pa.Table:
    """Make a shard of the Hub; ``names`` go to its metadata and number the labels."""
    records = []
    for index, image in enumerate(table.images):
        content = io.BytesIO()
        Image.fromarray(image).save(content, "WEBP", lossless=True)
        records.append({"bytes": content.getvalue(), "path": path(index)})
    labels = [names.index(EMOTIONS[label]) if names else int(label) for label in table.labels]
    made = pa.table({"image": records, "label": pa.array(labels, pa.int64())})
    info = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    return made.replace_schema_metadata({"huggingface": json.dumps(info)}) if names else made


def select(table: FaceTable, which: np.ndarray) -> FaceTable:
    """Take some of the faces."""
    rows = None if table.rows is None else table.rows[which]
    return FaceTable(table.images[which], table.labels[which], table.usage[which], rows)


def write_parquet(
    table: FaceTable, folder: Path, names: list[str] | None = None, path: str = "fer{row:07}.webp"
) -> Path:
    """Write two shards of Training and one each of PublicTest and PrivateTest."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, stem in enumerate(("train", "valid", "test")):
        pieces = np.array_split(np.flatnonzero(table.usage == split), 2 if split == 0 else 1)
        for number, piece in enumerate(pieces):
            part = select(table, piece)
            file = folder / f"{stem}-{number:05}-of-{len(pieces):05}.parquet"
            pq.write_table(shard(part, names, lambda i, rows=piece: path.format(row=rows[i])), file)
    return folder


def write_votes(table: FaceTable, path: Path) -> Path:
    """Write FER+ votes: nine for 'neutral' and one in the column of the row's last digit."""
    lines = [",".join(("Usage", "Image name", *FERPLUS_VOTES))]
    for row, usage in enumerate(table.usage):
        votes = [9] + [0] * 9
        votes[row % 10] += 1
        lines.append(",".join([USAGES[usage], f"fer{row:07}.png", *map(str, votes)]))
    path.write_text("\n".join(lines) + "\n")
    return path
