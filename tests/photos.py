"""Photos for tests: real ones from scikit-image, and hostile ones made of them."""

import struct
import zlib
from functools import cache
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from fer_data.faces import FaceDetector

ORIENTATION = 0x0112

Picture = NDArray[np.uint8]


@cache
def detector() -> FaceDetector:
    """One detector for all tests, as building it takes seconds."""
    return FaceDetector()


def astronaut() -> Picture:
    """Eileen Collins, uint8 (512, 512, 3); NASA, in the public domain."""
    return data.astronaut()


def faceless() -> Picture:
    """A cup of coffee, uint8 (400, 600, 3)."""
    return data.coffee()


def crowd() -> Picture:
    """Four astronauts in a square, uint8 (512, 512, 3)."""
    return np.tile(cv2.resize(astronaut(), (256, 256), interpolation=cv2.INTER_AREA), (2, 2, 1))


def small_faces() -> Picture:
    """The first 100 pictures are faces of Labeled Faces in the Wild, the other 100 are none; uint8 (200, 48, 48)."""
    pictures = (data.lfw_subset() * 255).round().astype(np.uint8)
    return np.stack([cv2.resize(picture, (48, 48), interpolation=cv2.INTER_LINEAR) for picture in pictures])


def encode(picture: Picture | Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    """Give a picture as the content of a file."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    with BytesIO() as file:
        image.save(file, file_format, **options)
        return file.getvalue()


def oriented(picture: Picture, orientation: int = 6, file_format: str = "JPEG") -> bytes:
    """Give a picture as a phone held sideways saves it: turned, with the way back in its EXIF orientation."""
    stored = {1: picture, 3: np.rot90(picture, 2), 6: np.rot90(picture), 8: np.rot90(picture, 3)}[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encode(np.ascontiguousarray(stored), file_format, exif=exif.tobytes(), quality=95)


def animation(file_format: str) -> bytes:
    """The astronaut, then her negative."""
    frames = [Image.fromarray(frame) for frame in (astronaut(), 255 - astronaut())]
    return encode(frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True)


@cache
def png_bomb(side: int = 20_000) -> bytes:
    """A valid gray PNG of side x side zeros, small as a file, 400 MB as pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer = zlib.compressobj(1)
    rows = [packer.compress(bytes(side + 1)) for _ in range(side)] + [packer.flush()]
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"".join(rows)) + chunk(b"IEND", b"")


@cache
def hostile() -> dict[str, tuple[bytes, str]]:
    """Files that must be refused, by name, each with a part of the sentence that must say why."""
    jpeg, png, webp = (encode(astronaut(), name) for name in ("JPEG", "PNG", "WEBP"))
    return {
        "cut.jpg": (jpeg[: len(jpeg) // 2], "is cut short"),
        "cut-progressive.jpg": (encode(astronaut(), "JPEG", progressive=True)[: len(jpeg) // 2], "is cut short"),
        "cut.png": (png[: len(png) // 2], "is cut short"),
        "cut.webp": (webp[: len(webp) // 2], "damaged"),
        "start-only.jpg": (jpeg[:20], "is a damaged JPEG file"),
        "damaged.png": (png[:5000] + bytes(20000) + png[25000:], "is damaged"),
        "text.jpg": ("Grüße, not a photo".encode(), "is not a picture; give a JPEG, PNG or WebP file"),
        "empty.png": (b"", "is empty (0 bytes)"),
        "moving.gif": (animation("GIF"), "is a GIF file, which is not supported; save it as JPEG, PNG or WebP"),
        "scan.tif": (encode(astronaut(), "TIFF"), "is a TIFF file"),
        "gif-named.jpg": (animation("GIF"), "is a GIF file"),
        "photo.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC file"),
    }


def mutants(content: bytes, count: int, seed: int) -> list[bytes]:
    """Damage a file in ``count`` ways: bytes changed, left out, doubled, or the end cut off."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        mutant = bytearray(content)
        for _ in range(rng.integers(1, 6)):
            start = int(rng.integers(len(mutant)) ** rng.choice([0.5, 1.0]))  # headers are hit more often
            length = int(rng.integers(1, 9))
            match rng.integers(5):
                case 0 | 1:
                    mutant[start : start + length] = rng.bytes(length)
                case 2:
                    del mutant[start : start + length]
                case 3:
                    mutant[start:start] = mutant[start : start + length]
                case 4 if start > 10:
                    del mutant[start:]
        made.append(bytes(mutant))
    return made
