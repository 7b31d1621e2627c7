"""Pictures of all kinds: decoded right, or refused with a sentence."""

import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import photos
from fer_data.errors import ImageError
from fer_data.images import decode, to_gray

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_lossless_pictures_come_back_exactly(file_format: str):
    content = photos.encode(photos.astronaut(), file_format, lossless=True)
    assert np.array_equal(decode(content), photos.astronaut())


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_jpeg(options: dict[str, bool]):
    image = decode(photos.encode(photos.astronaut(), "JPEG", quality=95, **options))
    assert image.shape == (512, 512, 3)
    assert np.abs(image - photos.astronaut().astype(float)).mean() < 3


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, file_format: str):
    upright = photos.astronaut()[:, 100:400]
    image = decode(photos.oriented(upright, orientation, file_format))
    assert image.shape == upright.shape
    assert np.abs(image - upright.astype(float)).mean() < 4


def test_mirrored_exif_orientations_agree_with_pillow():
    for orientation in (2, 4, 5, 7):
        exif = Image.Exif()
        exif[photos.ORIENTATION] = orientation
        content = photos.encode(RAMP, exif=exif.tobytes())
        expected = Image.fromarray(RAMP).transpose(
            {
                2: Image.Transpose.FLIP_LEFT_RIGHT,
                4: Image.Transpose.FLIP_TOP_BOTTOM,
                5: Image.Transpose.TRANSPOSE,
                7: Image.Transpose.TRANSVERSE,
            }[orientation]
        )
        assert np.array_equal(decode(content)[..., 0], np.array(expected))


def test_damaged_exif_does_not_cost_the_picture():
    content = photos.oriented(photos.astronaut(), 6)
    start = content.index(b"Exif\0\0") + 6
    damaged = content[: start + 4] + b"\xff" * 12 + content[start + 16 :]
    assert decode(damaged).shape == (512, 512, 3)


def test_sixteen_bit_gray_is_scaled():
    content = photos.encode(Image.fromarray(RAMP.astype(np.uint16) * 257))
    assert np.array_equal(decode(content), np.repeat(RAMP[..., None], 3, axis=2))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_modes_without_transparency(mode: str):
    image = Image.fromarray(photos.astronaut()).convert(mode)
    assert np.array_equal(decode(photos.encode(image)), np.array(image.convert("RGB")))


def test_cmyk_jpeg():
    image = Image.fromarray(photos.astronaut()).convert("CMYK")
    difference = decode(photos.encode(image, "JPEG", quality=95)) - photos.astronaut().astype(float)
    assert np.abs(difference).mean() < 6


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_becomes_white(mode: str):
    cutout = Image.fromarray(photos.astronaut()).convert("RGBA")
    cutout.paste((0, 0, 0, 0), (0, 0, 100, 100))
    content = photos.encode(cutout.quantize(), "PNG") if mode == "PA" else photos.encode(cutout.convert(mode), "PNG")
    image = decode(content)
    assert (image[:100, :100] == 255).all()
    assert image[150:].mean() < 200


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_first_frame_of_an_animation(file_format: str):
    assert np.array_equal(decode(photos.animation(file_format)), photos.astronaut())


def test_one_pixel():
    assert decode(photos.encode(np.full((1, 1, 3), 7, np.uint8))).tolist() == [[[7, 7, 7]]]


def test_names_with_spaces_and_umlauts(tmp_path: Path):
    path = tmp_path / "Mein schönes Foto (1) 😀.png"
    path.write_bytes(photos.encode(RAMP))
    assert np.array_equal(decode(str(path)), decode(path))


@pytest.mark.parametrize("name", photos.hostile())
def test_refused_with_a_sentence(tmp_path: Path, name: str):
    content, why = photos.hostile()[name]
    path = tmp_path / name
    path.write_bytes(content)
    for source, start in ((path, f"'{path}' "), (content, "the picture ")):
        with pytest.raises(ImageError) as refusal:
            decode(source)
        message = str(refusal.value)
        assert message.startswith(start) and why in message and "; " in message and "\n" not in message


def test_paths_that_are_no_files(tmp_path: Path):
    for path, why in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.png", "does not exist"),
        (tmp_path / "file.png" / "inner.png", "can't be read"),
        (tmp_path / ("long" * 100), "can't be read"),
        ("nu\0ll.png", "can't be read"),
        ("/dev/zero", "is a device"),
    ):
        (tmp_path / "file.png").touch()
        with pytest.raises(ImageError, match=why):
            decode(path)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "secret.png"
    path.write_bytes(photos.encode(RAMP))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match="may not be read by you"):
        decode(path)


def test_limits(tmp_path: Path):
    path = tmp_path / "ramp.png"
    path.write_bytes(photos.encode(RAMP))
    size = path.stat().st_size
    assert decode(path, max_pixels=256, max_bytes=size).shape == (16, 16, 3)
    with pytest.raises(ImageError, match="is 16 by 16 pixels, more than"):
        decode(path, max_pixels=255)
    for source in (path, path.read_bytes()):
        with pytest.raises(ImageError, match=r"has more than .* MB; save it smaller"):
            decode(source, max_bytes=size - 1)


@pytest.mark.parametrize("side", [10_000, 20_000])  # below and above the size that Pillow itself refuses
def test_png_bomb_is_refused_from_its_header(side: int):
    bomb = photos.png_bomb(side)
    start = time.perf_counter()
    with pytest.raises(ImageError, match=r"more than 50\.3 megapixels"):
        decode(bomb)
    assert time.perf_counter() - start < 0.5


def test_a_fresh_process_takes_no_memory_for_bombs_and_prints_no_warning(tmp_path: Path):
    (tmp_path / "bomb.png").write_bytes(photos.png_bomb())
    photo = photos.oriented(photos.astronaut(), 6)
    (tmp_path / "odd.jpg").write_bytes(photo.replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x05"))
    code = """if True:
        import resource, sys
        from fer_data.images import ImageError, decode
        decode("odd.jpg")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            decode("bomb.png")
        except ImageError as error:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak)
    """
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 20_000  # KiB; the pixels are 400 MB
    assert run.stderr == ""


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_mutants_decode_or_are_refused(file_format: str):
    content = photos.oriented(photos.astronaut()[:96:2, :96:2], 6, file_format)
    refused = 0
    for mutant in photos.mutants(content, 60, seed=1):
        try:
            image = decode(mutant, max_pixels=10**6)
            assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.flags.writeable
        except ImageError:
            refused += 1
    assert refused > 5


def test_a_picture_that_is_shrunk_anyway_comes_smaller_and_alike():
    for kind, side in {"JPEG": 256, "PNG": 171, "WEBP": 171}.items():  # JPEG halves
        content = photos.encode(photos.astronaut(), kind)
        small, whole = decode(content, max_side=150), decode(content)
        assert small.shape == (side, side, 3)
        assert np.abs(small - cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA).astype(float)).mean() < 4
        assert np.array_equal(decode(content, max_side=300), whole)


def test_more_parts_than_a_photo_has_are_refused_at_once():
    jpeg, png = photos.encode(photos.astronaut(), "JPEG", progressive=True), photos.encode(photos.astronaut())
    scan = jpeg.rindex(b"\xff\xda")
    for content in (
        jpeg[:scan] + 100 * jpeg[scan:-2] + jpeg[-2:],
        jpeg[:2] + 10_000_000 * b"\xff" + jpeg[2:],
        jpeg[:2] + 100_000 * b"\xff\xe1\0\2" + jpeg[2:],
        png[:33] + 100_000 * (bytes(4) + b"teSt" + bytes(4)) + png[33:],
    ):
        start = time.process_time()
        with pytest.raises(ImageError, match="more parts than a photo has"):
            decode(content)
        assert time.process_time() - start < 0.5
    for content in (jpeg + 100 * jpeg, png + bytes(10_000_000)):  # as phones append films
        assert decode(content).shape == (512, 512, 3)


def test_to_gray_is_pillows_luma():
    gray = to_gray(photos.astronaut())
    expected = np.array(Image.fromarray(photos.astronaut()).convert("L"))
    assert gray.shape == (512, 512)
    assert np.abs(gray.astype(int) - expected).max() <= 1
    assert to_gray(gray) is gray
