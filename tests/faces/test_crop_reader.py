"""Action units of a face that was cut out, from its pixels alone."""

import pytest
from conftest import ASTRONAUT
from PIL import Image, ImageFilter, ImageOps

from expllm.core.errors import UsageError
from expllm.core.vocabulary import AUVector
from expllm.faces.au_reader import BlendshapeReader
from expllm.faces.crop_reader import CropReader
from expllm.faces.crops import crops_of
from expllm.faces.finder import FaceFinder
from expllm.faces.pixel_reader import UnitReader
from expllm.files.images import open_image


@pytest.fixture(scope="module")
def crop(finder: FaceFinder) -> Image.Image:
    """The astronaut's face, as a model is shown it."""
    picture = open_image(ASTRONAUT)
    (cut,) = crops_of(picture, [finder.find(picture)[0].box])
    return cut


def read(crop: Image.Image, source: str = "both") -> AUVector:
    (aus,) = CropReader(source)([crop])
    assert aus is not None
    return aus


def test_a_smile_is_read_without_landmarks(crop: Image.Image) -> None:
    aus = read(crop)
    for name in ("left lip corner pull", "right lip corner pull", "cheek raiser"):
        assert (aus[name] or 0) > 0.4, name
    for name in ("nose wrinkle", "left brow lower", "lip corner depressor"):
        assert (aus[name] or 0) < 0.3, name


@pytest.mark.parametrize("source", ["both", "blendshapes"])
def test_it_measures_what_its_source_does(crop: Image.Image, source: str) -> None:
    assert read(crop, source).measured == UnitReader(source).measured


def test_what_only_pixels_measure_reads_as_in_a_picture(crop: Image.Image, finder: FaceFinder) -> None:
    picture = open_image(ASTRONAUT)
    (aus,) = UnitReader("both").read(picture, finder.find(picture)[:1])
    assert aus is not None
    mine = read(crop)
    for name in ("nose wrinkle", "cheek raiser", "lid tightener", "lips part", "upper lip raise"):
        assert mine[name] == pytest.approx(aus[name], abs=0.02), name


def test_the_mirror_image_reads_mirrored(crop: Image.Image) -> None:
    one, other = read(crop), read(ImageOps.mirror(crop)).mirrored()
    assert all(one[name] == pytest.approx(other[name], abs=0.01) for name in one.measured)


def test_a_face_that_cannot_be_read_has_no_units(crop: Image.Image) -> None:
    blurred = crop.filter(ImageFilter.GaussianBlur(0.06 * crop.width))
    sharp, nothing = CropReader()([crop, blurred])
    assert sharp is not None
    assert nothing is None
    assert CropReader()([]) == []


def test_weak_readings_are_not_believed_where_they_are_mostly_wrong(crop: Image.Image) -> None:
    (plain,), (careful,) = CropReader(least={})([crop]), CropReader(least={"lip corner pull": 1.0})([crop])
    assert plain is not None
    assert careful is not None
    assert (plain["left lip corner pull"] or 0) > 0.4
    assert careful["left lip corner pull"] == 0.0, "read, and not believed"
    assert careful["cheek raiser"] == plain["cheek raiser"]
    assert careful.measured == plain.measured


def test_only_permissive_weights_refuse_it() -> None:
    for source in ("blendshapes", "both"):
        with pytest.raises(UsageError, match="seeing is research-only"):
            CropReader(source, licence="permissive")
    assert BlendshapeReader().measured == CropReader("blendshapes")._reader.measured
