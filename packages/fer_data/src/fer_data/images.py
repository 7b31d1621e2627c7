"""Decode a stranger's picture into an array, or say in one sentence why not."""

import re
import warnings
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_data.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP")
"""What phones, browsers and cameras give. Each further decoder would be one more way in for hostile files."""

MAX_PIXELS = 8192 * 6144
"""50 megapixels: the largest phone cameras in wide use. Decoded they take 151 MB."""

MAX_BYTES = 50_000_000
"""50 MB: about twice the largest JPEG of such a camera."""

_SCANS, _PARTS = 32, 20_000
"""The most scans of a JPEG (progressive ones have about ten, and each costs as much as all pixels) and segments or
chunks of a file (50 MB in libpng's chunks are 6,100). A small file with more keeps a decoder busy for minutes."""

_JPEG_MARKER = re.compile(rb"\xff([^\0\xff\xd0-\xd7])")

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"RIFF": "WebP", b"GIF8": "GIF", b"BM": "BMP",
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"%PDF": "PDF", b"<svg": "SVG", b"8BPS": "Photoshop",
}  # fmt: skip
_ISO_BRANDS = {b"avif": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC"}

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(
    source: str | Path | bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    max_side: int | None = None,
) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG or WebP picture, upright as its EXIF orientation says.

    Of an animation the first frame is taken. What is transparent becomes white, the page that most cut-outs are
    made for. 16-bit gray is scaled to 8 bits, not clipped. The size is checked in the header, before any pixel is
    decoded.

    Args:
        source: A file's path, or a file's content as bytes.
        max_pixels: The most pixels a picture may have; Pillow's own limit of 179 million stays above it.
        max_bytes: The most bytes a file may have.
        max_side: For who shrinks the picture anyway: where its longer side has twice as many pixels or more, it comes
            shrunk by a whole number, to no less than this. Takes less time and a third less memory.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        ImageError: The file can't be read, isn't such a picture, is damaged, or is too large.
    """
    name = "the picture" if isinstance(source, bytes) else f"'{source}'"
    data = source if isinstance(source, bytes) else _read(Path(source), max_bytes)
    if not data:
        raise ImageError(f"{name} is empty (0 bytes); copy or upload it again")
    if len(data) > max_bytes:
        raise ImageError(f"{name} has more than {max_bytes / 1e6:g} MB; save it smaller")
    if _is_tangled(data):
        raise ImageError(f"{name} has more parts than a photo has; save it again with another program")
    with warnings.catch_warnings():
        # Pillow warns of odd metadata and of sizes that are checked here; the user can do nothing about them.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        return _pixels(_open(data, name, max_pixels), name, max_side)


def from_pillow(image: Image.Image, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Give a Pillow image as ``decode`` gives a file: upright, white where it is transparent, RGB.

    Raises:
        ImageError: Its file is damaged, or it is too large.
    """
    return _pixels(_check_size(image, "the picture", max_pixels), "the picture")


def check_pixels(image: NDArray[np.uint8], *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Give back an array that is a picture: uint8, (H, W) or (H, W, 3), neither empty nor too large.

    Raises:
        ImageError: It isn't.
    """
    shape, kind = np.shape(image), getattr(image, "dtype", type(image).__name__)
    if kind != np.uint8 or len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or 0 in shape:
        raise ImageError(f"an array of {kind} {shape} is no picture; give uint8 (H, W) gray or (H, W, 3) RGB")
    if shape[0] * shape[1] > max_pixels:
        raise ImageError(f"a picture of {shape[1]:,} by {shape[0]:,} pixels is too large; shrink it first")
    return image


def to_gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give the luma of ITU-R 601, 0.299 R + 0.587 G + 0.114 B, as Pillow's mode "L" does.

    Args:
        image: uint8 (H, W, 3), RGB; or uint8 (H, W), which is given back as it is.

    Returns:
        uint8 (H, W).
    """
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _read(path: Path, max_bytes: int) -> bytes:
    """Read at most ``max_bytes + 1`` bytes of a regular file."""
    try:
        if path.is_dir():
            raise ImageError(f"'{path}' is a folder; give the picture in it")
        if path.exists() and not path.is_file():
            raise ImageError(f"'{path}' is a device or a pipe; give a picture file")
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"'{path}' does not exist; check the path") from None
    except PermissionError:
        raise ImageError(f"'{path}' may not be read by you; change its permissions") from None
    except (OSError, ValueError) as error:  # a name too long, or with a null character in it
        raise ImageError(f"'{path}' can't be read ({error}); check the path") from None


def _open(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """Read the header only, and refuse what is not a picture or has too many pixels."""
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageError(f"{name} has more than {max_pixels / 1e6:.3g} megapixels; save it smaller") from None
    except Exception:  # decoders raise almost anything on hostile bytes
        raise ImageError(f"{name} {_why_not(data)}") from None
    return _check_size(image, name, max_pixels)


def _is_tangled(data: bytes) -> bool:
    """See whether a JPEG or PNG file has more parts than any camera or program gives it."""
    parts = scans = 0
    if data.startswith(b"\x89PNG"):
        at = 8
        while at < len(data) and parts <= _PARTS and data[at + 4 : at + 8] != b"IEND":
            at += 12 + int.from_bytes(data[at : at + 4])
            parts += 1
    elif data.startswith(b"\xff\xd8"):
        at = 2
        while parts <= _PARTS and scans <= _SCANS and (found := _JPEG_MARKER.search(data, at)) and found[1] != b"\xd9":
            parts += 1 if scans else 1 + found.start() - at  # before the pixels, decoders read what is between bytewise
            scans += found[1] == b"\xda"
            at = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
    return parts > _PARTS or scans > _SCANS


def _check_size(image: Image.Image, name: str, max_pixels: int) -> Image.Image:
    if image.width * image.height > max_pixels:
        raise ImageError(
            f"{name} is {image.width:,} by {image.height:,} pixels, more than {max_pixels / 1e6:.3g} megapixels; "
            "save it smaller"
        )
    return image


def _why_not(data: bytes) -> str:
    """Say what a file that no decoder accepted is, by its first bytes, and what to do."""
    found = next((name for start, name in _SIGNATURES.items() if data.startswith(start)), None)
    if data[4:8] == b"ftyp":
        found = _ISO_BRANDS.get(data[8:12])
    if found is None:
        return "is not a picture; give a JPEG, PNG or WebP file"
    if found.upper() in FORMATS:
        return f"is a damaged {found} file; save or copy it again from the original"
    return f"is a {found} file, which is not supported; save it as JPEG, PNG or WebP"


def _pixels(image: Image.Image, name: str, max_side: int | None = None) -> NDArray[np.uint8]:
    """Decode the first frame, turn it upright and bring it to RGB."""
    try:
        if max_side is not None:
            image.draft(None, (max_side, max_side))  # JPEG's decoder can shrink
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
        upright = _to_rgb(image if turn is None else image.transpose(turn))
        times = 1 if max_side is None else max(upright.size) // max_side
        return np.array(upright.reduce(times) if times > 1 else upright)
    except Exception as error:  # decoders raise almost anything on hostile bytes
        state = "cut short" if "truncated" in str(error) else "damaged"
        raise ImageError(f"{name} is {state}; save or copy it again from the original") from None


def _orientation(image: Image.Image) -> int:
    """Give EXIF's orientation, 1..8; 1 (upright) where the metadata is damaged but the pixels are not."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow's convert would clip at 255
        gray = cv2.convertScaleAbs(np.asarray(image, np.uint16), alpha=1 / 257)
        return Image.fromarray(gray).convert("RGB")
    if image.has_transparency_data:
        cutout = image.convert("RGBA")
        page = Image.new("RGB", cutout.size, "white")
        page.paste(cutout, mask=cutout)
        return page
    return image.convert("RGB")
