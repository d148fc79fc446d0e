"""Faces: large, small, several, tight, tiny, turned and absent ones; two detectors; exact geometry."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from groups import group, rows
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from expllm.core.errors import MissingWeights, UsageError
from expllm.faces.finder import MIN_FACE_SIDE, FaceFinder
from expllm.faces.landmarks import Face, Placement
from expllm.files.images import open_image

Pixels = NDArray[np.uint8]
NOSE, RIGHT_EYE, LEFT_EYE = 1, 33, 263  # MediaPipe's points; right and left are the subject's


def find(finder: FaceFinder, pixels: Pixels) -> list[Face]:
    return finder.find(open_image(np.ascontiguousarray(pixels)))


def resized(pixels: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))


def landmarks(face: Face) -> NDArray[np.float32]:
    assert face.landmarks is not None
    return face.landmarks


def test_one_face_with_everything(finder: FaceFinder, astronaut: Pixels) -> None:
    (face,) = find(finder, astronaut)
    assert face.status == "ok"
    assert landmarks(face).shape == (478, 3)
    assert landmarks(face).dtype == np.float32
    assert face.blendshapes is not None
    assert len(face.blendshapes) == 52
    assert face.score is not None
    assert 0.5 < face.score <= 1
    x, y, width, height = face.box
    assert 165 < x < 195
    assert 55 < y < 85
    assert 80 < width < 110
    assert 90 < height < 120
    # In the picture, the subject's right eye is on the left.
    assert landmarks(face)[RIGHT_EYE, 0] < landmarks(face)[NOSE, 0] < landmarks(face)[LEFT_EYE, 0]


def test_coordinates_are_those_of_the_full_size_picture(finder: FaceFinder, astronaut: Pixels) -> None:
    (small,) = find(finder, astronaut)
    (large,) = find(finder, resized(astronaut, 2048))  # searched at 960 pixels
    assert np.abs(landmarks(large) / 4 - landmarks(small))[:, :2].mean() < 1.0
    assert np.allclose(np.array(large.box) / 4, small.box, atol=4)


@pytest.mark.parametrize(("degrees", "roll"), [(0, 3), (20, -16), (-20, 23)])
def test_roll_leans_to_the_subjects_left_shoulder(
    finder: FaceFinder, astronaut: Pixels, degrees: int, roll: int
) -> None:
    (face,) = find(finder, np.asarray(Image.fromarray(astronaut).rotate(degrees)))
    assert face.pose is not None
    assert face.pose[2] == pytest.approx(roll, abs=6)


def test_yaw_and_pitch_signs() -> None:
    turn = np.radians(30)
    to_subjects_left = np.array(
        [(np.cos(turn), 0, np.sin(turn)), (0, 1, 0), (-np.sin(turn), 0, np.cos(turn))], np.float32
    )
    up = np.array([(1, 0, 0), (0, np.cos(turn), np.sin(turn)), (0, -np.sin(turn), np.cos(turn))], np.float32)
    still = Face("ok", (0, 0, 1, 1), rotation=np.eye(3, dtype=np.float32))
    assert still.pose == (0, 0, 0)
    yawed = Face("ok", (0, 0, 1, 1), rotation=to_subjects_left).pose
    pitched = Face("ok", (0, 0, 1, 1), rotation=up).pose
    assert yawed == pytest.approx((0, 30, 0), abs=1e-4)
    assert pitched == pytest.approx((30, 0, 0), abs=1e-4)


def test_several_faces_largest_first(finder: FaceFinder, astronaut: Pixels) -> None:
    canvas = np.full((800, 1200, 3), 110, np.uint8)
    for side, x in ((200, 500), (400, 10), (120, 800)):
        canvas[20 : 20 + side, x : x + side] = resized(astronaut, side)
    faces = find(finder, canvas)
    assert [face.status for face in faces[:2]] == ["ok", "ok"]
    areas = [face.box[2] * face.box[3] for face in faces]
    assert areas == sorted(areas, reverse=True)
    centres = [face.box[0] + face.box[2] / 2 for face in faces[:2]]
    assert centres == pytest.approx([10 + 400 * 0.44, 500 + 200 * 0.44], abs=20)


def test_max_faces_keeps_the_largest(astronaut: Pixels) -> None:
    canvas = np.full((600, 900, 3), 110, np.uint8)
    canvas[:400, :400] = resized(astronaut, 400)
    canvas[:300, 500:800] = resized(astronaut, 300)
    with FaceFinder(max_faces=1) as one:
        (face,) = find(one, canvas)
    assert face.box[0] < 400


def test_a_face_that_fills_the_frame_is_found(finder: FaceFinder, astronaut: Pixels) -> None:
    tight = astronaut[60:180, 170:275]
    (face,) = find(finder, tight)
    assert face.status == "ok"
    (whole,) = find(finder, astronaut)
    shift = landmarks(face)[:, :2] + (170, 60) - landmarks(whole)[:, :2]
    assert np.abs(shift).mean() < 2.5


def test_a_face_with_too_few_pixels_is_reported_as_such(finder: FaceFinder, astronaut: Pixels) -> None:
    tiny = np.asarray(Image.fromarray(astronaut[50:190, 170:290]).resize((20, 23)))
    (face,) = find(finder, tiny)
    assert face.status == "too_small"
    assert max(face.box[2:]) < MIN_FACE_SIDE
    assert face.landmarks is None
    assert face.blendshapes is None


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_pictures_give_the_same_face(finder: FaceFinder, astronaut: Pixels, turns: int) -> None:
    cut = astronaut[20:300, 100:360]
    (upright,) = find(finder, cut)
    turned = np.ascontiguousarray(np.rot90(cut, turns))
    (face,) = find(finder, turned)
    back = Placement(turns=turns, size=(turned.shape[1], turned.shape[0])).face(face)
    assert np.abs(landmarks(back) - landmarks(upright))[:, :2].mean() < 4
    assert back.pose == pytest.approx(upright.pose, abs=16)
    assert face.pose is not None
    assert abs(face.pose[2]) == pytest.approx(180 if turns == 2 else 90, abs=10)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 2000, 3), (64, 64, 3), (300, 5, 3), (700, 900, 3)])
def test_no_face_no_error(finder: FaceFinder, shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 60, shape, dtype=np.uint8)
    assert find(finder, noise) == []


@given(
    st.integers(0, 3),
    st.tuples(st.integers(1, 500), st.integers(1, 500)),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_placement_undoes_rot90(turns: int, size: tuple[int, int], right: float, down: float) -> None:
    width, height = size
    row, column = int(down * (height - 1)), int(right * (width - 1))
    picture = np.zeros((height, width), np.uint8)
    picture[row, column] = 1
    view = np.rot90(picture, turns)
    y, x = np.argwhere(view == 1)[0]
    place = Placement(turns=turns, size=(view.shape[1], view.shape[0]))
    middle = place.points(np.array([(x + 0.5, y + 0.5)], np.float32))
    assert middle[0].tolist() == [column + 0.5, row + 0.5]


@pytest.mark.parametrize("size", [(480, 360), (500, 375), (490, 368), (980, 736)])
def test_small_faces_are_found_beside_a_large_one(finder: FaceFinder, size: tuple[int, int]) -> None:
    small = [(5 + i % 3 * (size[0] // 3), 10 + i // 3 * 90, 56) for i in range(6)]
    assert len(find(finder, group(size, [(size[0] // 2 - 55, 195, 110), *small]))) == 7


def test_forty_faces(finder: FaceFinder) -> None:
    assert len(find(finder, rows(8, 5, (1920, 1200), 170))) == 40


def test_two_small_faces_and_no_other(finder: FaceFinder) -> None:
    picture = group((852, 512), [(90, 200, 92), (640, 150, 62)])
    assert finder._landmarker.fit(picture) == []  # the first pass shows nothing: close looks must go on
    faces = find(finder, picture)
    assert [round(face.box[0] + face.box[2] / 2) for face in faces] == pytest.approx([136, 671], abs=20)


def test_small_faces_of_a_large_picture_are_measured_in_full_size(finder: FaceFinder) -> None:
    canvas = np.full((3000, 4000, 3), 120, np.uint8)
    canvas[1000:1160, 900:1960] = group((1060, 160), [(20 + 175 * i, 20, 64) for i in range(6)])
    faces = find(finder, canvas)
    assert [face.status for face in faces] == ["ok"] * 6
    assert all(40 < max(face.box[2:]) < 80 for face in faces)
    assert sorted(round((face.box[0] - 920) / 175) for face in faces) == list(range(6))


def test_one_face_in_a_panorama(finder: FaceFinder) -> None:
    (face,) = find(finder, group((12_000, 900), [(7_700, 300, 100)]))
    assert face.status == "ok"
    assert face.box[0] == pytest.approx(7_720, abs=40)


@pytest.mark.parametrize("kind", ["noise", "stripes", "discs"])
def test_texture_is_no_face(finder: FaceFinder, kind: str) -> None:
    draws = np.random.default_rng(3)
    y, x = np.mgrid[:480, :640]
    textures = {
        "noise": draws.integers(0, 256, (480, 640, 3)),
        "stripes": np.repeat(((x // 9 + y // 13) % 2 * 200)[..., None], 3, axis=2),
        "discs": np.repeat((np.hypot(x % 40 - 20, y % 40 - 20) * 8)[..., None], 3, axis=2),
    }
    assert find(finder, textures[kind].clip(0, 255).astype(np.uint8)) == []


def test_every_face_is_counted_and_the_largest_are_given(finder: FaceFinder) -> None:
    picture = open_image(group((900, 300), [(10, 10, 150), (300, 40, 120), (600, 60, 90)]))
    with FaceFinder(max_faces=2) as two:
        assert (len(two.find(picture)), len(two.find_all(picture))) == (2, 3)


def test_nonsense_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        FaceFinder(max_faces=0)
    with pytest.raises(MissingWeights, match=r"no detector at nowhere\.onnx"):
        FaceFinder("nowhere.onnx")


def test_an_onnx_file_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(MissingWeights, match="not a readable ONNX model") as caught:
        FaceFinder(tmp_path / "bad.onnx")
    assert "\n" not in caught.value.line


@pytest.fixture(scope="module")
def scrfd(shared: Path) -> Iterator[FaceFinder]:
    pytest.importorskip("onnxruntime")
    with FaceFinder(shared / "models" / "scrfd_2.5g_kps.onnx") as opened:
        yield opened


def test_scrfd_agrees_with_mediapipe(scrfd: FaceFinder, finder: FaceFinder, astronaut: Pixels) -> None:
    (theirs,), (ours,) = find(scrfd, astronaut), find(finder, astronaut)
    assert theirs.status == "ok"
    assert np.abs(landmarks(theirs) - landmarks(ours))[:, :2].mean() < 2
    assert scrfd.name == "scrfd"


def test_scrfd_reports_small_faces(scrfd: FaceFinder, astronaut: Pixels) -> None:
    canvas = np.full((800, 1200, 3), 110, np.uint8)
    canvas[10:410, 10:410] = resized(astronaut, 400)
    canvas[50:142, 800:892] = resized(astronaut, 92)
    assert [face.status for face in find(scrfd, canvas)] == ["ok", "too_small"]


def test_scrfd_looks_behind_a_border(scrfd: FaceFinder, astronaut: Pixels) -> None:
    (face,) = find(scrfd, astronaut[60:180, 170:275])
    assert face.status == "ok"
