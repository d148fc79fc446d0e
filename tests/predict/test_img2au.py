"""Which face of a picture is measured for a sample."""

import io
from collections.abc import Iterator

import pytest
from conftest import ASTRONAUT
from PIL import Image

from expllm.core.errors import NoFaceError
from expllm.data import ImageRef, Sample
from expllm.predict.img2au import FaceReader

LARGE, SMALL = 512, 420


@pytest.fixture(scope="module")
def reader() -> Iterator[FaceReader]:
    found = FaceReader()
    yield found
    found.close()


@pytest.fixture(scope="module")
def two_faces(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The bundled portrait, and at its right a smaller, mirrored one."""
    canvas = Image.new("RGB", (LARGE + SMALL, LARGE), "grey")
    with Image.open(io.BytesIO(ASTRONAUT.read_bytes())) as picture:
        portrait = picture.convert("RGB").resize((LARGE, LARGE))
    canvas.paste(portrait)
    mirrored = portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    canvas.paste(mirrored.resize((SMALL, SMALL)), (LARGE, 0))
    path = tmp_path_factory.mktemp("two") / "two.png"
    canvas.save(path)
    return Sample(id="two", image=ImageRef(path=str(path)))


def test_the_largest_face_is_measured_where_no_box_says_otherwise(
    reader: FaceReader, two_faces: Sample
) -> None:
    large = two_faces.model_copy(update={"box": (0.0, 0.0, float(LARGE), float(LARGE))})
    assert reader(two_faces)[0] == reader(large)[0]


def test_a_box_says_which_face_is_meant(reader: FaceReader, two_faces: Sample) -> None:
    small = two_faces.model_copy(update={"box": (float(LARGE), 0.0, float(SMALL), float(SMALL))})
    assert reader(small)[0] != reader(two_faces)[0]


def test_a_box_without_a_face_is_told(reader: FaceReader, two_faces: Sample) -> None:
    empty = two_faces.model_copy(update={"box": (float(LARGE + 40), 400.0, 60.0, 60.0)})
    with pytest.raises(NoFaceError, match="in the data set's box"):
        reader(empty)
