"""The detector on real faces, and crops to the pixel."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

import photos
from fer_data.errors import UserError
from fer_data.faces import MARGIN, Face, FaceDetector, crop
from fer_data.images import decode, to_gray


def find(picture: photos.Picture) -> list[Face]:
    return photos.detector().detect([picture])[0]


def the_face() -> Face:
    (face,) = find(photos.astronaut())
    return face


def test_astronaut():
    face = the_face()
    left, top, right, bottom = face.box
    assert (left, top, right, bottom) == pytest.approx((181, 62, 268, 172), abs=3)
    assert 0.99 < face.score <= 1
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left < left_eye[0] < nose[0] < right_eye[0] < right
    assert left_mouth[0] < right_mouth[0]
    assert top < left_eye[1] < nose[1] < left_mouth[1] < bottom
    assert all(isinstance(value, float) for value in (*face.box, face.score, *nose))
    assert hash(face) == hash(the_face())


def test_gray_finds_the_same_face():
    (face,) = find(to_gray(photos.astronaut()))
    assert face.box == pytest.approx(the_face().box, abs=5)


def test_four_faces():
    faces = find(photos.crowd())
    assert len(faces) == 4
    assert {(face.box[0] > 250, face.box[1] > 250) for face in faces} == {(a, b) for a in (0, 1) for b in (0, 1)}


def test_largest_face_comes_first():
    picture = np.zeros((512, 800, 3), np.uint8)
    picture[:256, :256] = cv2.resize(photos.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    picture[:, 288:] = photos.astronaut()
    assert [face.box[0] > 288 for face in find(picture)] == [True, False]


@pytest.mark.parametrize("shape", [(1, 1), (10, 10), (1, 3000), (3000, 2), (300, 300), (120, 30_000)])
def test_blank_pictures_of_any_shape_have_no_face(shape: tuple[int, int]):
    assert find(np.full((*shape, 3), 200, np.uint8)) == []
    assert find(np.zeros(shape, np.uint8)) == []


def test_no_face_in_a_photo_or_in_noise():
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert photos.detector().detect([photos.faceless(), noise]) == [[], []]


def test_no_pictures():
    assert photos.detector().detect([]) == []


def test_a_mixed_batch_gives_what_single_pictures_give():
    pictures = [
        photos.astronaut(),
        photos.small_faces()[0],
        photos.faceless(),
        photos.crowd(),
        photos.small_faces()[150],
        to_gray(photos.astronaut()),
    ]
    batch = photos.detector().detect(pictures)
    assert [len(faces) for faces in batch] == [1, 1, 0, 4, 0, 1]
    for faces, picture in zip(batch, pictures, strict=True):
        for face, alone in zip(faces, find(picture), strict=True):
            assert face.box == pytest.approx(alone.box, abs=0.01)


def test_faces_in_the_wild():
    faces = photos.detector().detect(list(photos.small_faces()))
    assert sum(map(bool, faces[:100])) == 100
    assert sum(map(bool, faces[100:])) == 0


def test_boxes_of_small_pictures_are_in_their_own_pixels():
    picture = cv2.resize(photos.astronaut()[40:200, 140:300], (48, 48), interpolation=cv2.INTER_AREA)
    (face,) = find(picture)
    expected = (np.array(the_face().box) - (140, 40, 140, 40)) * 48 / 160
    assert face.box == pytest.approx(tuple(expected), abs=2.5)


def test_a_face_that_fills_a_larger_picture_gets_a_second_look():
    missed = 0
    for picture in photos.small_faces()[:20]:
        large = cv2.resize(picture[6:42, 6:42], (200, 200), interpolation=cv2.INTER_CUBIC)
        missed += not find(large)
    assert missed <= 2


def test_large_photos_are_searched_shrunk():
    picture = cv2.resize(photos.astronaut(), (3072, 3072), interpolation=cv2.INTER_CUBIC)
    (face,) = find(picture)
    assert np.array(face.box) / 6 == pytest.approx(np.array(the_face().box), abs=4)
    assert max(photos.detector()._view(picture, thumbnail=False).pixels.shape) == 1280


def test_min_face_leaves_small_faces_out():
    large, small = FaceDetector(min_face=100).detect([photos.astronaut(), photos.crowd()])
    assert len(large) == 1
    assert len(small) < 4


def test_a_sideways_phone_photo_gives_the_upright_crop():
    upright = photos.astronaut()
    turned = decode(photos.oriented(upright, 6))
    (face,) = find(turned)
    assert face.box == pytest.approx(the_face().box, abs=1)
    expected = crop(upright, the_face(), size=48).astype(float)
    assert np.abs(crop(turned, the_face(), size=48) - expected).mean() < 2
    assert np.abs(crop(turned, face, size=48) - expected).mean() < 8  # frames one pixel apart
    assert np.abs(crop(np.rot90(turned), face, size=48) - expected).mean() > 30


def square_face(left: float, top: float, side: float, tilt: float = 0) -> Face:
    eyes = ((0.0, 0.0), (np.cos(np.radians(tilt)), np.sin(np.radians(tilt))))
    return Face((left, top, left + side, top + side), 1.0, (*eyes, (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)))


def test_crop_copies_pixels():
    gray = to_gray(photos.astronaut())
    face = square_face(100, 200, 50)
    assert np.array_equal(crop(gray, face, margin=0), gray[200:250, 100:150])
    assert np.array_equal(crop(photos.astronaut(), face, margin=0.2), gray[195:255, 95:155])


def test_the_longer_side_of_the_box_counts():
    face = Face((100, 100, 140, 180), 1.0, square_face(0, 0, 1).landmarks)
    assert crop(photos.astronaut(), face).shape == (round(80 * (1 + MARGIN)),) * 2
    assert np.array_equal(crop(photos.astronaut(), face, margin=0), to_gray(photos.astronaut())[100:180, 80:160])


@pytest.mark.parametrize("size", [1, 48, 224])
def test_crop_size(size: int):
    image = crop(photos.astronaut(), the_face(), size=size)
    assert image.shape == (size, size) and image.dtype == np.uint8


def test_outside_the_picture_edges_go_on():
    gray = to_gray(photos.astronaut())
    image = crop(gray, square_face(-20, 500, 40), margin=0)
    assert np.array_equal(image[:12, 20:], gray[500:, :20])
    assert (image[:12, :20] == gray[500:, :1]).all()
    assert (image[12:] == image[11]).all()


def test_a_face_beyond_the_picture_is_no_crash():
    assert crop(photos.astronaut(), square_face(900, -400, 50), size=48).shape == (48, 48)


def test_align_levels_the_eyes():
    centre = (225.0, 117.0)
    tilted = cv2.warpAffine(photos.astronaut(), cv2.getRotationMatrix2D(centre, -25, 1.0), (512, 512))
    (face,) = find(tilted)
    assert face.tilt - the_face().tilt == pytest.approx(25, abs=3)
    aligned = crop(tilted, face, margin=0.3, align=True, size=96)
    assert find(aligned)[0].tilt == pytest.approx(0, abs=3)
    assert np.abs(find(crop(tilted, face, margin=0.3, align=False, size=96))[0].tilt) > 15


def test_panoramas_wider_than_opencv_warps():
    panorama = np.zeros((64, 40_000), np.uint8)
    panorama[:, 35_000:] = 255
    assert (crop(panorama, square_face(35_010, 10, 40), margin=0, align=True) == 255).all()


@pytest.mark.parametrize("options", [{"margin": -1}, {"margin": 5}, {"margin": float("nan")}, {"size": 0}])
def test_options_out_of_range(options: dict[str, float]):
    with pytest.raises(UserError, match="is out of range; give"):
        crop(photos.astronaut(), square_face(0, 0, 50), **options)


def test_importing_is_light():
    heavy = "{'torch', 'facenet_pytorch'}.isdisjoint(sys.modules)"
    code = f"import sys, fer_data.crop_folder, fer_data.faces; sys.exit(not {heavy})"
    subprocess.run([sys.executable, "-c", code], check=True)
