"""More than 300 files as strangers send them to a page: cut, damaged, swollen, in disguise, odd but valid."""

import gzip
import io
import json
import pickle
import struct
import tarfile
import wave
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin

import photos

LIMIT = 19_900_000
"""A little below what the page takes of a photo, bytes."""


def files(seed: int = 0, *, swollen: bool = True) -> dict[str, bytes]:
    """Give all files by a name that says what they are; the same for the same seed.

    Args:
        seed: Of what is done at random.
        swollen: With those that take long to make, and perhaps to decode.
    """
    kinds = [*_known(), *_cut(), *_mutated(seed), *_disguised(), *_odd(), *_metadata(), *_noise(seed)]
    once = {
        content: name for name, content in reversed([*kinds, *(_swollen() if swollen else ())])
    }  # cuts can be alike
    return {name: content for content, name in reversed(once.items())}


def _face() -> Image.Image:
    return Image.fromarray(photos.astronaut()).resize((160, 160))


def _of_each_kind() -> dict[str, bytes]:
    """The same small photo in each format."""
    face = _face()
    return {
        "baseline.jpg": photos.encode(face, "JPEG"),
        "progressive.jpg": photos.encode(face, "JPEG", progressive=True),
        "plain.png": photos.encode(face),
        "palette.png": photos.encode(face.quantize()),
        "lossy.webp": photos.encode(face, "WEBP"),
        "lossless.webp": photos.encode(face, "WEBP", lossless=True),
        "moving.webp": photos.encode(face, "WEBP", save_all=True, append_images=[face.rotate(90)]),
        "moving.png": photos.encode(face, "PNG", save_all=True, append_images=[face.rotate(90)]),
        "moving.gif": photos.encode(face, "GIF", save_all=True, append_images=[face.rotate(90)]),
        "plain.bmp": photos.encode(face, "BMP"),
        "plain.tif": photos.encode(face, "TIFF"),
        "plain.avif": photos.encode(face, "AVIF"),
        "plain.ico": photos.encode(face, "ICO"),
        "plain.pdf": photos.encode(face, "PDF"),
        "plain.jp2": photos.encode(face, "JPEG2000"),
        "plain.ppm": photos.encode(face, "PPM"),
        "plain.tga": photos.encode(face, "TGA"),
        "plain.eps": photos.encode(face, "EPS"),
    }


def _known() -> Iterator[tuple[str, bytes]]:
    for name, (content, _) in photos.hostile().items():
        yield f"known {name}", content
    yield from _of_each_kind().items()


def _cut() -> Iterator[tuple[str, bytes]]:
    """End at the first bytes, and at shares of the whole."""
    for name, content in list(_of_each_kind().items())[:9]:
        for length in (3, 8, 20, 33, 100, *(len(content) * share // 16 for share in (1, 3, 5, 8, 11, 14, 15))):
            yield f"cut at {length} {name}", content[:length]
        yield f"without its end {name}", content[:-2]


def _mutated(seed: int) -> Iterator[tuple[str, bytes]]:
    for name, content in list(_of_each_kind().items())[:9]:
        for number, mutant in enumerate(photos.mutants(content, 16, seed)):
            yield f"mutant {number} {name}", mutant


def _swollen() -> Iterator[tuple[str, bytes]]:
    """Small or lawful as files, large or slow to decode."""
    png = photos.encode(_face())
    for side in (4_898, 9_000, 20_000):  # the first just within the page's limit
        yield f"{side} squared.png", photos.png_bomb(side)
    for side in (60_000, 2**31 - 1):
        yield f"says {side} squared.png", png[:16] + struct.pack(">II", side, side) + png[24:]
    frame = photos.encode(_face(), "JPEG")
    at = frame.index(b"\xff\xc0") + 5
    yield "says 65500 squared.jpg", frame[:at] + struct.pack(">HH", 65_500, 65_500) + frame[at + 4 :]
    yield "says 4800 squared.jpg", frame[:at] + struct.pack(">HH", 4_800, 4_800) + frame[at + 4 :]
    yield "says 65535 squared.gif", b"GIF89a\xff\xff\xff\xff" + photos.encode(_face(), "GIF")[10:]
    big = Image.new("RGB", (6_000, 4_000), "gray")
    yield "24 megapixels.jpg", photos.encode(big, "JPEG")
    yield "24 megapixels progressive.jpg", photos.encode(big, "JPEG", progressive=True)
    yield "24 megapixels.webp", photos.encode(big, "WEBP", method=0)
    yield "24 megapixels see-through.png", photos.encode(Image.new("RGBA", (6_000, 4_000)), compress_level=1)
    yield "24 megapixels 16 bits.png", photos.encode(Image.new("I;16", (6_000, 4_000), 9_000), compress_level=1)
    yield "24 megapixels cmyk.jpg", photos.encode(Image.new("CMYK", (6_000, 4_000)), "JPEG")
    scans = photos.encode(big, "JPEG", progressive=True)
    last = scans.rindex(b"\xff\xda")
    yield "1000 scans.jpg", scans[:last] + 1_000 * scans[last:-2] + b"\xff\xd9"
    yield "100000 segments.jpg", frame[:2] + 100_000 * b"\xff\xe1\0\x02" + frame[2:]
    yield "segments to the limit.jpg", frame[:2] + (LIMIT // 4) * b"\xff\xe1\0\x02" + frame[2:]
    yield "fill bytes to the limit.jpg", frame[:2] + LIMIT * b"\xff" + frame[2:]
    yield "chunks to the limit.png", png[:33] + (LIMIT // 12) * _chunk(b"teSt", b"") + png[33:]
    yield "empty IDAT to the limit.png", png[:33] + (LIMIT // 12) * _chunk(b"IDAT", b"") + png[33:]
    packed = zlib.compress(bytes(100_000_000), 9)
    yield "text bomb.png", png[:33] + _chunk(b"zTXt", b"a\0\0" + packed) + png[33:]
    yield "many text bombs.png", png[:33] + 50 * _chunk(b"zTXt", b"a\0\0" + packed) + png[33:]
    yield "profile bomb.png", png[:33] + _chunk(b"iCCP", b"a\0\0" + packed) + png[33:]
    yield "international bomb.png", png[:33] + _chunk(b"iTXt", b"a\0\1\0\0\0" + packed) + png[33:]
    yield "bomb.jpg", gzip.compress(bytes(200_000_000), 1)
    frames = [Image.new("L", (64, 64), i % 256) for i in range(3_000)]
    yield "3000 frames.webp", photos.encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], method=0)
    yield "3000 frames.png", photos.encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    yield "3000 frames.gif", photos.encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield "too large.png", png + bytes(LIMIT)
    yield "much too large.png", png + bytes(30_000_000)


def _disguised() -> Iterator[tuple[str, bytes]]:
    """Another type than the name says, or two at once."""
    jpeg, png = (photos.encode(_face(), name) for name in ("JPEG", "PNG"))
    html = b"<!DOCTYPE html><html><script>alert(document.domain)</script></html>"
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><image href="file:///etc/passwd"/></svg>'
    laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%s">' % (name + 1, 10 * (b"&%c;" % name)) for name in range(ord("a"), ord("j"))
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../evil.py", "print(1)")
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("/etc/evil"))
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(800))
    script = b"=1;alert(document.domain);/*"
    yield "page.jpg", html
    yield "page.svg", svg
    yield "page.svgz", gzip.compress(svg)
    yield "laughs.svg", laughs + b"]><x>&j;</x>"
    yield "archive.png", packed.getvalue()
    yield "archive.tar.jpg", tarred.getvalue()
    yield "sound.webp", sound.getvalue()
    yield "program.png", b"\x7fELF\2\1\1" + bytes(200)
    yield "program.jpg", b"MZ" + bytes(200)
    yield "pickle.png", pickle.dumps(_face().tobytes())
    yield "film.jpg", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
    yield "json.webp", json.dumps({"path": "/etc/passwd"}).encode()
    yield "shell.png", b"#!/bin/sh\nrm -rf /\n"
    yield "postscript.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n"
    yield "font.webp", b"wOF2" + bytes(100)
    yield "photo and archive.jpg", jpeg + packed.getvalue()
    yield "photo and page.png", png + html
    yield "photo and program.jpg", jpeg + b"<?php system($_GET[0]); ?>"
    yield "photo and photo.jpg", jpeg + png
    yield "photo and pdf.png", png + photos.encode(_face(), "PDF")
    yield "script.gif", b"GIF89a" + script + b"*/"
    yield "photo and script.gif", photos.encode(_face(), "GIF") + b"*/" + script
    yield "script in a comment.jpg", jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(html) + 2) + html + jpeg[2:]
    yield "script in a text.png", png[:33] + _chunk(b"tEXt", b"Comment\0" + html) + png[33:]
    yield "archive first.jpg", packed.getvalue() + jpeg
    yield "spaces first.jpg", b"   \n" + jpeg
    yield "byte order mark.png", b"\xef\xbb\xbf" + png
    yield "line ends changed.png", png.replace(b"\r\n", b"\n")
    yield "seven bits.png", bytes(byte & 0x7F for byte in png)
    yield "upper half first.jpg", jpeg[len(jpeg) // 2 :] + jpeg[: len(jpeg) // 2]


def _odd() -> Iterator[tuple[str, bytes]]:
    """Valid, and seldom seen."""
    face = _face()
    for mode in ("1", "L", "LA", "P", "RGBA"):
        yield f"mode {mode}.png", photos.encode(face.convert(mode))
    yield "16 bits.png", photos.encode(face.convert("L").convert("I;16"))
    for mode in ("CMYK", "YCbCr", "L"):
        yield f"mode {mode}.jpg", photos.encode(face.convert(mode), "JPEG")
    yield "16 bits.tif", photos.encode(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)), "TIFF")
    yield "floats.tif", photos.encode(Image.fromarray(np.random.default_rng(0).random((64, 64), np.float32)), "TIFF")
    see_through = face.quantize()
    yield "see-through palette.png", photos.encode(see_through, transparency=bytes(range(256)))
    yield "see-through gray.png", photos.encode(face.convert("L"), transparency=128)
    yield "see-through.webp", photos.encode(Image.new("RGBA", (90, 90)), "WEBP")
    for width, height in ((1, 1), (2, 2), (1, 10_000), (10_000, 1), (1, 60_000), (65_500, 1), (3, 3_000)):
        yield f"{width} by {height}.png", photos.encode(Image.new("L", (width, height), 77))
    for width, height in ((1, 1), (1, 10_000), (65_500, 1), (8, 65_500)):
        yield f"{width} by {height}.jpg", photos.encode(Image.new("L", (width, height), 77), "JPEG")
    for width, height in ((1, 1), (1, 16_383), (16_383, 1)):
        yield f"{width} by {height}.webp", photos.encode(Image.new("RGB", (width, height)), "WEBP")
    yield "noise.png", photos.encode(np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8))
    yield "many small faces.png", photos.encode(np.tile(np.asarray(face.resize((40, 40))), (20, 20, 1)))
    yield "restarts.jpg", photos.encode(face, "JPEG", restart_marker_blocks=1)
    yield "quality 1.jpg", photos.encode(face, "JPEG", quality=1)
    for sampling in ("4:2:2", "4:1:1"):
        yield f"sampling {sampling[0::2]}.jpg", photos.encode(face, "JPEG", subsampling=sampling)


def _metadata() -> Iterator[tuple[str, bytes]]:
    """A sound photo with metadata that aren't."""
    face = _face()
    jpeg, png = photos.encode(face, "JPEG"), photos.encode(face)
    segment = b"\xff\xe1" + struct.pack(">H", 65_000) + b"Exif\0\0" + bytes(64_992)
    loop = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\x08\0\0\0"
    yield "huge EXIF.jpg", jpeg[:2] + segment + jpeg[2:]
    yield "100 huge EXIFs.jpg", jpeg[:2] + 100 * segment + jpeg[2:]
    yield "EXIF in a circle.jpg", jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(loop) + 2) + loop + jpeg[2:]
    yield "garbage EXIF.png", png[:33] + _chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff") + png[33:]
    yield "huge EXIF.png", png[:33] + _chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + bytes(5_000_000)) + png[33:]
    for value in (0, 9, 65_535):
        exif = Image.Exif()
        exif[photos.ORIENTATION] = value
        yield f"orientation {value}.jpg", photos.encode(face, "JPEG", exif=exif.tobytes())
    for name, profile in {"bad": b"no profile", "zero": bytes(500), "huge": bytes(3_000_000)}.items():
        yield f"{name} profile.jpg", photos.encode(face, "JPEG", icc_profile=profile)
        yield f"{name} profile.png", photos.encode(face, icc_profile=profile)
        yield f"{name} profile.webp", photos.encode(face, "WEBP", icc_profile=profile)
    info = PngImagePlugin.PngInfo()
    info.add_text("XML:com.adobe.xmp", "<x:xmpmeta>" * 50_000)
    yield "deep XMP.png", photos.encode(face, pnginfo=info)
    data = png.index(b"IDAT") - 4
    palette = photos.encode(face.quantize())
    yield "bad check sum.png", png[:29] + b"\0\0\0\0" + png[33:]
    yield "no data.png", png[:data] + _chunk(b"IEND", b"")
    yield "no header.png", png[:8] + png[33:]
    yield "two headers.png", png[:33] + png[8:]
    yield "no palette.png", palette.replace(b"PLTE", b"plTE")
    for width, height in ((0, 0), (0, 5), (5, 0)):
        yield f"{width} by {height}.png", png[:16] + struct.pack(">II", width, height) + png[24:]
    for depth, colour in ((3, 0), (16, 3), (8, 1), (8, 7), (255, 255)):
        head = png[16:24] + bytes([depth, colour, 0, 0, 0])
        yield f"depth {depth} colour {colour}.png", png[:8] + _chunk(b"IHDR", head) + png[33:]
    yield "negative length.png", png[:33] + b"\xff\xff\xff\xffIDAT" + png[41:]
    yield "gamma 0.png", png[:33] + _chunk(b"gAMA", bytes(4)) + png[33:]
    yield "0 frames.png", png[:33] + _chunk(b"acTL", bytes(8)) + png[33:]
    yield "4 billion frames.png", png[:33] + _chunk(b"acTL", b"\xff" * 8) + png[33:]


def _noise(seed: int) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(seed)
    for length in (1, 100, 100_000):
        yield f"{length} zeros.jpg", bytes(length)
        yield f"{length} at random.png", rng.bytes(length)
    for start in (
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        b"GIF89a",
        b"BM",
        b"II*\0",
    ):
        for length in (10, 5_000):
            yield f"{start[:4].hex()} and {length} at random", start + rng.bytes(length)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
