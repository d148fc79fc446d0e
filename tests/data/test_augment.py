"""Augmentation: what is drawn, how often, how far; what it does to pictures of every kind."""

import math
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from expllm.core.errors import UsageError
from expllm.data.augment import NO_AUGMENTATION, Augmentation, PictureChange

KEYS = st.integers(0, 2**63)
STRONG = PictureChange(flip=True, degrees=30, brightness=1.5, contrast=0.5, saturation=2, hue=0.3)
ALWAYS = Augmentation(flip=1, rotation=1, jitter=1, erasing=1)


@pytest.fixture
def picture(astronaut: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(astronaut).resize((61, 48))


def test_the_defaults_happen_as_often_and_reach_as_far_as_they_say() -> None:
    draws = [Augmentation().draw(7, epoch, index) for epoch in range(4) for index in range(1000)]
    assert mean(d.flip for d in draws) == pytest.approx(0.5, abs=0.04)
    assert mean(d.degrees != 0 for d in draws) == pytest.approx(0.5, abs=0.04)
    assert mean(d.hue != 0 for d in draws) == pytest.approx(0.5, abs=0.04)
    assert mean(d.erased is not None for d in draws) == pytest.approx(0.5, abs=0.04)
    assert 14.5 < max(d.degrees for d in draws) <= 15
    assert -15 <= min(d.degrees for d in draws) < -14.5
    for name in ("brightness", "contrast", "saturation"):
        values = [getattr(d, name) for d in draws]
        assert 1.24 < max(values) <= 1.25
        assert 0.75 <= min(values) < 0.76
    areas = [d.erased[2] * d.erased[3] for d in draws if d.erased]
    assert 0.05 <= min(areas) < 0.055
    assert 0.115 < max(areas) <= 0.12 + 1e-9
    aspects = [math.log(d.erased[3] / d.erased[2]) for d in draws if d.erased]
    assert max(aspects) == pytest.approx(math.log(3.3), abs=0.05)
    assert min(aspects) == pytest.approx(math.log(0.3), abs=0.05)


@given(KEYS, KEYS, KEYS)
def test_the_rectangle_lies_in_the_picture(seed: int, epoch: int, index: int) -> None:
    wide = Augmentation(erasing=1, erased_area=(0, 1), erased_aspect=(0.01, 100))
    erased = wide.draw(seed, epoch, index).erased
    assert erased is not None
    x, y, width, height = erased
    assert min(erased) >= 0
    assert x + width <= 1 + 1e-12
    assert y + height <= 1 + 1e-12


@given(KEYS, KEYS, KEYS)
def test_turning_one_kind_off_moves_no_other(seed: int, epoch: int, index: int) -> None:
    drawn = ALWAYS.draw(seed, epoch, index)
    assert replace(ALWAYS, rotation=0).draw(seed, epoch, index) == replace(drawn, degrees=0)
    assert replace(ALWAYS, erasing=0).draw(seed, epoch, index) == replace(drawn, erased=None)
    assert NO_AUGMENTATION.draw(seed, epoch, index) == PictureChange()


def test_seed_epoch_and_index_all_count_and_are_not_mixed_up() -> None:
    keys = [(1, 2, 3), (1, 2, 4), (1, 3, 3), (2, 2, 3), (3, 2, 1), (12, 3, 0), (1, 23, 0)]
    assert len({ALWAYS.draw(*key) for key in keys}) == len(keys)


def test_neighbours_are_independent() -> None:
    turns = np.array([[ALWAYS.draw(0, e, i).degrees for i in range(500)] for e in range(2)])
    assert abs(np.corrcoef(turns[0], turns[1])[0, 1]) < 0.15
    assert abs(np.corrcoef(turns[0][1:], turns[0][:-1])[0, 1]) < 0.15


def test_two_processes_draw_the_same_and_no_global_state_counts() -> None:
    code = (
        "import random; random.seed({0}); random.random()\n"
        "from expllm.data.augment import Augmentation as A\n"
        "print([A().draw(3, e, i) for e in range(3) for i in range(20)])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code.format(seed)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    expected = [Augmentation().draw(3, epoch, index) for epoch in range(3) for index in range(20)]
    assert printed == {f"{expected}\n".encode()}


def test_no_change_is_the_picture_bit_for_bit(picture: Image.Image) -> None:
    assert PictureChange().apply(picture).tobytes() == picture.tobytes()
    pixels = np.asarray(picture, np.float32).transpose(2, 0, 1)
    assert np.array_equal(PictureChange().erase(pixels), pixels)


def test_flipping_twice_gives_the_picture_back(picture: Image.Image) -> None:
    flip = PictureChange(flip=True)
    once = flip.apply(picture)
    assert np.array_equal(np.asarray(once), np.asarray(picture)[:, ::-1])
    assert flip.apply(once).tobytes() == picture.tobytes()


def test_the_given_picture_is_not_changed(picture: Image.Image) -> None:
    before = picture.tobytes()
    STRONG.apply(picture)
    assert picture.tobytes() == before


def test_turning_is_counter_clockwise_about_the_centre_and_bares_mean_colour() -> None:
    image = Image.new("RGB", (41, 41), (200, 0, 0))
    image.paste((0, 0, 200), (26, 15, 36, 26))  # right of the centre
    turned = np.asarray(PictureChange(degrees=90).apply(image))
    assert tuple(turned[9, 20]) == (0, 0, 200)  # now above it
    corner = np.asarray(PictureChange(degrees=45).apply(image))[0, 0]
    assert np.allclose(corner, np.asarray(image).mean(axis=(0, 1)), atol=1)


def test_colours_move_as_their_names_say(picture: Image.Image) -> None:
    def levels(change: PictureChange, mode: str = "RGB") -> NDArray[np.float64]:
        return np.asarray(change.apply(picture).convert(mode), np.float64)

    plain = levels(PictureChange())
    assert (
        levels(PictureChange(brightness=1.25)).mean()
        > plain.mean()
        > levels(PictureChange(brightness=0.75)).mean()
    )
    assert levels(PictureChange(contrast=0.75), "L").std() < levels(PictureChange(), "L").std()
    assert np.ptp(levels(PictureChange(saturation=0)), axis=2).max() == 0
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    blue = np.asarray(PictureChange(hue=-1 / 3).apply(red))[0, 0]
    assert blue[2] > 250
    assert blue[0] < 10


def test_erasing_sets_one_rectangle_to_zero_in_a_copy() -> None:
    pixels = np.ones((3, 40, 20), np.float32)
    erased = PictureChange(erased=(0.25, 0.5, 0.5, 0.25)).erase(pixels)
    assert pixels.min() == 1
    assert erased.dtype == np.float32
    assert (erased[:, 20:30, 5:15] == 0).all()
    assert erased.sum() == pixels.sum() - 3 * 10 * 10


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I", "F"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5)])
def test_pictures_of_every_kind_work(mode: str, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (90, 60, 30)).convert(mode)
    if mode == "P":
        image.info["transparency"] = b"\x00\x80"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        changed = STRONG.apply(image)
    assert (changed.mode, changed.size) == ("RGB", size)
    assert ALWAYS.draw(0, 0, 0).erase(np.ones((3, size[1], size[0]), np.float32)).any()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"flip": 1.5}, "flip is 1.5"),
        ({"degrees": -1}, "degrees is -1"),
        ({"hue": 0.6}, "hue is 0.6"),
        ({"brightness": math.nan}, "brightness is nan"),
        ({"erased_area": (0.3, 0.2)}, "erased_area is 0.3 to 0.2"),
        ({"erased_aspect": (0, 3)}, "erased_aspect is 0 to 3"),
    ],
)
def test_values_out_of_range_are_named(values: dict[str, float], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Augmentation(**values)  # type: ignore[arg-type]
