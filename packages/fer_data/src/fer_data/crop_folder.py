"""Make a data set like FER2013 out of a folder of photos."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import track

from fer_data.errors import DataError, ImageError
from fer_data.faces import MARGIN, Face, FaceDetector, check_frame, crop
from fer_data.files import write_atomically
from fer_data.images import decode
from fer_data.table import SIZE

COLUMNS = ("file", "faces", "crops", "boxes", "scores", "error")
"""The columns of ``faces.csv``: a photo's path in the source, the number of its faces, and, as JSON lists, the files
written for them, their boxes (left, top, right, bottom) in pixels and their scores; or why it could not be read."""

SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp",
    ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif",
))  # fmt: skip
"""What counts as a photo. The second row can't be decoded, but is listed with that reason, not passed over."""

Row = dict[str, str]


@dataclass(frozen=True)
class CropSummary:
    """What ``faces.csv`` holds after a run.

    Attributes:
        photos: All photos, of this run and of earlier ones into the same folder.
        faces: Faces cropped from them.
        without_face: Photos that were read, but in which no face was found.
        unreadable: Photos that were refused; ``faces.csv`` says why.
        resumed: How many of the photos earlier runs had done.
    """

    photos: int
    faces: int
    without_face: int
    unreadable: int
    resumed: int


def crop_folder(
    source: Path,
    target: Path,
    *,
    detector: FaceDetector | None = None,
    size: int = SIZE,
    margin: float = MARGIN,
    align: bool = False,
    all_faces: bool = True,
) -> CropSummary:
    """Crop the faces of all photos in a folder to gray PNG files, in the same sub-folders (the labels).

    A photo ``happy/me.jpg`` gives ``happy/me_0.png``, ``happy/me_1.png``, ..., the largest face first. ``faces.csv``
    tells what was found in each photo. A run that was stopped, even killed, is resumed by calling it again: photos
    in ``faces.csv`` are done, and a photo gets its row there when all its crops are written.

    Args:
        source: The folder of photos, nested to any depth.
        target: The folder to write: new, empty, or an earlier run's with the same settings and source.
        detector: Finds the faces; None for one with default settings.
        size: Side of the crops in pixels.
        margin: See ``faces.crop``.
        align: See ``faces.crop``.
        all_faces: Crop every face of a photo; else the largest alone.

    Returns:
        The counts over all photos in ``faces.csv``.

    Raises:
        DataError: The source has no photos; or the target lies in it, holds something else, or can't be written.
        UserError: The margin or the size is out of its range.
    """
    check_frame(margin, size)
    photos = _photos(source, target)
    cropper = _Cropper(source, target, detector or FaceDetector(), size, margin, align, all_faces)
    try:
        return cropper.run(photos)
    except OSError as error:
        raise DataError(f"'{target}' can't be written ({error}); make room or give another folder") from None


def _photos(source: Path, target: Path) -> list[Path]:
    """List the photos of the source, always in the same order."""
    if not source.is_dir():
        raise DataError(f"'{source}' is not a folder; give a folder of photos")
    if target.resolve().is_relative_to(source.resolve()):
        raise DataError(f"'{target}' is or lies in the source '{source}'; give a folder outside of it")
    files = (path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    photos = sorted(path for path in files if not path.name.startswith("."))
    if not photos:
        raise DataError(f"'{source}' has no photos in it; give a folder with JPEG, PNG or WebP files")
    return photos


@dataclass(frozen=True)
class _Cropper:
    source: Path
    target: Path
    detector: FaceDetector
    size: int
    margin: float
    align: bool
    all_faces: bool

    def run(self, photos: list[Path]) -> CropSummary:
        """Crop the photos that the table does not have yet."""
        table = self._prepare()
        rows = _read(table)
        done = {row["file"] for row in rows}
        taken = {_stem(name) for row in rows for name in json.loads(row["crops"])}
        todo = [photo for photo in photos if self._key(photo) not in done]
        with table.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            for photo in track(todo, "Cropping", console=Console(stderr=True)):
                rows.append(self._crop(photo, taken))
                writer.writerow(rows[-1])
                file.flush()
        return _summary(rows, resumed=len(done))

    def _prepare(self) -> Path:
        """Make the target, or check that it is an earlier run's with the same settings; give the table's path."""
        table, recipe = self.target / "faces.csv", self.target / "crop.json"
        wanted = json.dumps({key: getattr(self, key) for key in ("size", "margin", "align", "all_faces")})
        self.target.mkdir(parents=True, exist_ok=True)
        if not recipe.exists():
            if any(self.target.iterdir()):
                raise DataError(f"'{self.target}' holds something else; give a new folder")
            write_atomically(recipe, wanted.encode())
        if not table.exists():
            write_atomically(table, (",".join(COLUMNS) + "\n").encode())
        if recipe.read_text() != wanted:
            raise DataError(f"'{self.target}' was made with {recipe.read_text()}, not {wanted}; give a new folder")
        return table

    def _key(self, photo: Path) -> str:
        """Give a photo's path in the source, on one line whatever it contains, as rows end at line breaks."""
        return _one_line(photo.relative_to(self.source).as_posix())

    def _crop(self, photo: Path, taken: set[str]) -> Row:
        """Write the crops of one photo and give its row."""
        try:
            image = decode(photo)
        except ImageError as error:
            return _row(self._key(photo), error=_one_line(str(error)))
        faces = self.detector.detect([image])[0][: None if self.all_faces else 1]
        if not faces:
            return _row(self._key(photo))
        stem = _free_stem(photo.relative_to(self.source), taken)
        names = [f"{stem}_{k}.png" for k in range(len(faces))]
        for name, face in zip(names, faces, strict=True):
            pixels = crop(image, face, margin=self.margin, align=self.align, size=self.size)
            write_atomically(self.target / name, cv2.imencode(".png", pixels)[1].tobytes())
        return _row(self._key(photo), faces, names)


def _free_stem(photo: Path, taken: set[str]) -> str:
    """Give crops a path that no other photo's have, also where upper and lower case are the same; note it as taken."""
    plain = re.sub(r"[^\w.-]+", "_", photo.stem)[:60]
    stem, number = (photo.parent / plain).as_posix(), 1
    while stem.casefold() in taken:
        number += 1
        stem = (photo.parent / f"{plain}-{number}").as_posix()
    taken.add(stem.casefold())
    return stem


def _stem(crop_name: str) -> str:
    """Undo the numbering of a photo's crops: ``"happy/me_0.png"`` -> ``"happy/me"``."""
    return crop_name.rpartition("_")[0].casefold()


def _read(table: Path) -> list[Row]:
    """Read the table, and cut off a last line that a killed run left unfinished."""
    content = table.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        write_atomically(table, whole)
    reader = csv.DictReader(whole.decode("utf-8", "surrogateescape").split("\n"))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise DataError(f"'{table}' does not have the columns {','.join(COLUMNS)}; give a new folder")
    return list(reader)


def _row(key: str, faces: list[Face] | None = None, names: list[str] | None = None, error: str = "") -> Row:
    boxes = [[round(value, 1) for value in face.box] for face in faces or []]
    scores = [round(face.score, 4) for face in faces or []]
    values = (key, str(len(boxes)), json.dumps(names or []), json.dumps(boxes), json.dumps(scores), error)
    return dict(zip(COLUMNS, values, strict=True))


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _summary(rows: list[Row], resumed: int) -> CropSummary:
    return CropSummary(
        photos=len(rows),
        faces=sum(int(row["faces"]) for row in rows),
        without_face=sum(row["faces"] == "0" and not row["error"] for row in rows),
        unreadable=sum(bool(row["error"]) for row in rows),
        resumed=resumed,
    )
