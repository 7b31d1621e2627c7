"""What the arguments of ``fer-models predict`` stand for: photos, folders, patterns, films and cameras."""

from collections.abc import Iterator, Sequence
from glob import glob
from itertools import count
from pathlib import Path

from fer_data.crop_folder import SUFFIXES
from fer_models.films import video


def expand(arguments: Sequence[str], copies: Path | None = None) -> dict[str, Path]:
    """List the photos and films that arguments stand for, each once, always in the same order.

    Args:
        arguments: A path, ``camera:0``, a folder (its photos and films, nested to any depth), or a pattern such as
            ``*.jpg`` (not each shell expands them). What stands for nothing stays, to be told when it is opened.
        copies: The folder for annotated copies; what lies in it is no input.

    Returns:
        For each source the path of its copies, in the folder for copies and without an ending; what comes from a
        folder keeps its place in it. No two sources have the same.
    """
    names: dict[str, Path] = {}
    taken: set[str] = set()
    for argument in arguments:
        for source, stem in _meant(argument, copies):
            if source not in names:
                names[source] = _free(stem, taken)
    return names


def is_camera(source: str) -> bool:
    """Tell a camera by its name."""
    return source.startswith(video.CAMERA)


def is_film(source: str) -> bool:
    """Tell a film or a camera from a photo by its name."""
    return is_camera(source) or Path(source).suffix.lower() in video.SUFFIXES


def _meant(argument: str, copies: Path | None) -> Iterator[tuple[str, Path]]:
    """List the sources of one argument, each with the stem of its copies."""
    found = [argument]
    try:
        if not Path(argument).exists() and any(sign in argument for sign in "*?["):
            found = sorted(glob(argument, recursive=True)) or found  # noqa: PTH207 - a pattern can be absolute
        for each in found:
            inside = _inside(Path(each), copies) if Path(each).is_dir() else []
            yield from ((str(path), path.relative_to(each).with_suffix("")) for path in inside)
            if not inside:
                yield each, Path(Path(each).stem.replace(":", "-"))
    except (OSError, ValueError):  # a name too long, or with a null character in it
        yield argument, Path("photo")


def _inside(folder: Path, copies: Path | None) -> list[Path]:
    known, root = SUFFIXES | video.SUFFIXES, folder.resolve()
    found = (path for path in folder.rglob("*") if path.suffix.lower() in known and path.is_file())
    seen = sorted(path for path in found if not path.name.startswith("."))
    if copies is None:
        return seen
    left_out = copies.resolve()
    return [path for path in seen if not (root / path.relative_to(folder)).is_relative_to(left_out)]


def _free(stem: Path, taken: set[str]) -> Path:
    """Give copies a name that no others have, also where upper and lower case are the same; note it as taken."""
    names = (stem.parent / f"{stem.name}-faces{'' if k == 1 else f'-{k}'}" for k in count(1))
    free = next(name for name in names if str(name).casefold() not in taken)
    taken.add(str(free).casefold())
    return free
