"""Action units from pixels, and how they join those from blendshapes."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from wrinkled_nose import wrinkled as wrinkled_nose

from expllm.core.errors import RecordError
from expllm.core.vocabulary import ACTION_UNITS, AU_NAMES, AUSource, AUVector
from expllm.faces.au_reader import DECIMALS, TRACE, BlendshapeReader
from expllm.faces.finder import FaceFinder
from expllm.faces.landmarks import Face
from expllm.faces.pixel_reader import (
    ErrorBand,
    PixelReader,
    Ramp,
    UnitReader,
    UnitTable,
    join_sides,
    load_units,
)
from expllm.faces.unit_network import CHANNELS, DEAD_CHANNELS, FACS
from expllm.files.images import Picture, open_image

ASTRONAUT = Path("examples/faces/astronaut.jpg")
intensities = st.floats(0, 1)
weights = st.tuples(st.floats(0.05, 1), st.floats(0.05, 1))


@pytest.fixture(scope="module")
def both() -> UnitReader:
    return UnitReader("both")


def seen(finder: FaceFinder, image: Any) -> tuple[Picture, list[Face]]:
    picture = open_image(image)
    return picture, finder.find(picture)


def reading(reader: UnitReader, finder: FaceFinder, image: Any, **options: Any) -> AUVector:
    picture, faces = seen(finder, image)
    (aus,) = reader.read(picture, faces[:1], **options)
    assert aus is not None
    return aus


def test_an_intensity_rises_along_two_lines() -> None:
    ramp = Ramp({9: 1.0}, floor=-0.5, dead_zone=0.5, full_scale=2.5)
    units = np.zeros((6, len(FACS)))
    units[:, FACS.index(9)] = [-3, -0.5, 0.0, 0.5, 1.5, 9]
    assert ramp.intensity(units) == pytest.approx([0, 0, TRACE / 2, TRACE, 0.525, 1])


@given(intensities, intensities, intensities, weights)
def test_pixels_move_both_sides_alike(left: float, right: float, level: float, shares: Any) -> None:
    one, two = join_sides([left, right], level, shares)
    assert one is not None
    assert two is not None
    assert 0 <= one <= 1
    assert 0 <= two <= 1
    assert (one - two) * (left - right) >= 0, "the stronger side stays the stronger"
    mirrored = join_sides([right, left], level, shares)
    assert mirrored == [two, one]


@given(intensities, weights)
def test_sources_that_agree_are_believed(level: float, shares: Any) -> None:
    assert join_sides([level], level, shares) == pytest.approx([level], abs=1e-4)


def test_one_source_alone_is_taken_as_it_is() -> None:
    assert join_sides([0.25, 0.75], None, (1, 1)) == [0.25, 0.75]
    assert join_sides([None, None], 0.5, (0, 1)) == [0.5, 0.5]
    assert join_sides([None], None, (1, 1)) == [None]


def test_the_table_speaks_of_every_action_with_its_evidence() -> None:
    raw = load_units()
    assert set(raw["actions"]) == {au.action for au in ACTION_UNITS}
    for entry in raw["actions"].values():
        assert entry["measured"] == (sum(entry["weights"].values()) > 0)
        if entry["weights"]["pixels"]:
            assert min(entry["figures"][f"r_{name}"] for name in ("ferplus", "portraits")) >= 0.8
            assert 0 < entry["error"] < 0.5
    assert "academic" in raw["card"]["licence"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw["actions"].pop("nose wrinkle"),
        lambda raw: raw["actions"]["nose wrinkle"]["pixels"].update(facs={"99": 1.0}),
        lambda raw: raw["actions"]["nose wrinkle"]["pixels"].update(full_scale=-9.0),
        lambda raw: raw["actions"]["nose wrinkle"].update(pixels=None),
        lambda raw: raw.pop("card"),
        lambda raw: raw["actions"]["nose wrinkle"]["bands"].update(
            pixels={"levels": [], "low": [], "high": []}
        ),
        lambda raw: raw["actions"]["nose wrinkle"]["bands"].update(
            pixels={"levels": [0.5, 0.1], "low": [0, 0], "high": [0, 0]}
        ),
        lambda raw: raw["actions"]["nose wrinkle"]["bands"].update(eyes={}),
    ],
)
def test_a_damaged_table_is_refused(damage: Any) -> None:
    raw = copy.deepcopy(load_units())
    damage(raw)
    with pytest.raises(RecordError, match="not a table of action units"):
        UnitTable(raw)


def test_blendshapes_alone_read_as_before(finder: FaceFinder) -> None:
    picture, faces = seen(finder, ASTRONAUT)
    assert UnitReader().read(picture, faces) == [BlendshapeReader().read(face) for face in faces]
    assert UnitReader().measured == BlendshapeReader().measured


def test_a_laugh_shows_more_from_both_sources(both: UnitReader, finder: FaceFinder) -> None:
    aus = reading(both, finder, ASTRONAUT)
    assert set(aus.measured) == set(both.measured)
    assert len(both.measured) >= len(BlendshapeReader().measured) + 6
    assert all(value is None or value == round(value, DECIMALS) for value in aus.values())
    for name in ("cheek raiser", "left lip corner pull", "right lip corner pull"):
        assert (aus[name] or 0) > 0.4, name
    assert (aus["lips part"] or 0) > TRACE
    for name in ("lip corner depressor", "lip pressor", "nose wrinkle"):
        assert (aus[name] or 0) < 0.3, name


@pytest.mark.parametrize("source", ["pixels", "both"])
def test_the_mirror_image_reads_mirrored(source: str, finder: FaceFinder) -> None:
    reader = UnitReader(source)
    picture, faces = seen(finder, ASTRONAUT)
    straight, mirrored = reader.read(picture, faces), reader.read(picture, faces, mirrored=True)
    assert mirrored == [aus and aus.mirrored() for aus in straight]


@pytest.mark.parametrize("angle", [-40, 25])
def test_a_leaning_head_is_turned_upright(angle: int, both: UnitReader, finder: FaceFinder) -> None:
    straight = reading(UnitReader("pixels"), finder, ASTRONAUT)
    turned = Image.open(ASTRONAUT).convert("RGB").rotate(angle, Image.Resampling.BICUBIC)
    leaning = reading(UnitReader("pixels"), finder, turned)
    differences = [abs((straight[name] or 0) - (leaning[name] or 0)) for name in straight.measured]
    assert set(leaning.measured) == set(straight.measured)
    assert max(differences) < 0.3
    assert sum(differences) / len(differences) < 0.06


def test_what_is_turned_away_is_not_read_from_pixels(finder: FaceFinder) -> None:
    picture, (face, *_) = seen(finder, ASTRONAUT)
    turn = np.radians(45)
    rotation = np.array(
        [(np.cos(turn), 0, np.sin(turn)), (0, 1, 0), (-np.sin(turn), 0, np.cos(turn))], np.float32
    )
    away = Face("ok", face.box, landmarks=face.landmarks, blendshapes=face.blendshapes, rotation=rotation)
    (aus,) = UnitReader("both").read(picture, [away])
    assert aus is not None
    assert aus["nose wrinkle"] is None
    assert aus["left lip corner pull"] is not None, "blendshapes go on"
    assert UnitReader("pixels").read(picture, [away]) == [AUVector()]


def test_what_is_hidden_was_not_measured(finder: FaceFinder) -> None:
    picture, (face, *_) = seen(finder, ASTRONAUT)
    covered = Face(
        "ok", face.box, landmarks=face.landmarks, blendshapes=face.blendshapes, rotation=face.rotation,
        hidden=frozenset({"left mouth", "right mouth"}),
    )  # fmt: skip
    (aus,) = UnitReader("both").read(picture, [covered])
    assert aus is not None
    assert [name for name in AU_NAMES if "lip" in name and aus[name] is not None] == []


def test_faces_that_were_not_measured_stay_so(both: UnitReader, finder: FaceFinder) -> None:
    picture, faces = seen(finder, ASTRONAUT)
    small = Face("too_small", (0, 0, 9, 9))
    assert both.read(picture, [small, faces[0]])[0] is None
    assert both.read(picture, []) == []


def test_provenance_names_both_sources() -> None:
    assert "mediapipe-blendshapes" in UnitReader("both").identity
    assert "face-pixels" in UnitReader("both").identity
    assert "blendshapes" not in UnitReader("pixels").identity
    assert PixelReader().table.identity.startswith("face-pixels/")
    assert UnitReader(AUSource.BLENDSHAPES).identity == BlendshapeReader().identity


def test_a_band_lies_around_the_reading() -> None:
    band = ErrorBand((0.0, 0.5), (0.0, -0.2), (0.1, 0.3))
    assert band.around(0.0) == (0.0, 0.1)
    assert band.around(0.5) == (0.3, 0.8)
    assert band.around(0.25) == (0.15, 0.45)
    assert band.around(1.0) == (0.8, 1.0), "no reading is above 1"
    assert ErrorBand((0.0,), (0.1,), (0.2,)).around(0.3) == (0.3, 0.5), "the reading itself lies within"


@pytest.mark.parametrize("source", ["blendshapes", "pixels", "both"])
def test_every_measured_unit_tells_its_source_and_band(source: str, finder: FaceFinder) -> None:
    picture, faces = seen(finder, ASTRONAUT)
    (measured,) = UnitReader(source).measure(picture, faces[:1])
    assert measured is not None
    assert set(measured.readings) == set(measured.aus.measured)
    for name, reading in measured.readings.items():
        value = measured.aus[name]
        assert value is not None
        if source != "both":
            assert reading.source == source, name
        if reading.low is not None and reading.high is not None:
            assert 0 <= reading.low <= round(value, 2) <= reading.high <= 1, name
    known = [reading for reading in measured.readings.values() if reading.low is not None]
    assert len(known) > len(measured.readings) / 2


def test_sources_follow_what_could_be_read(both: UnitReader, finder: FaceFinder) -> None:
    picture, (face, *_) = seen(finder, ASTRONAUT)
    (measured,) = both.measure(picture, [face])
    assert measured is not None
    assert measured.readings["nose wrinkle"].source is AUSource.PIXELS
    assert measured.readings["left eye close"].source is AUSource.BLENDSHAPES
    assert measured.readings["left brow lower"].source is AUSource.BOTH
    away = Face("ok", face.box, landmarks=face.landmarks, blendshapes=face.blendshapes)  # no pose is known
    (shapes,) = both.measure(picture, [away])
    assert shapes is not None
    assert {reading.source for reading in shapes.readings.values()} == {AUSource.BLENDSHAPES}


def test_a_blurred_face_is_not_read_from_pixels(both: UnitReader, finder: FaceFinder) -> None:
    picture, (face, *_) = seen(finder, ASTRONAUT)
    blurred = Image.fromarray(picture.pixels).filter(ImageFilter.GaussianBlur(8))
    (measured,) = both.measure(open_image(blurred), [face])
    assert measured is not None
    assert measured.aus["nose wrinkle"] is None, "the network says that it sees too little"


def test_a_wrinkled_nose_is_read(both: UnitReader, finder: FaceFinder) -> None:
    picture, (face, *_) = seen(finder, ASTRONAUT)
    assert face.landmarks is not None
    strengths = (0.0, 0.6, 1.25)
    noses = [wrinkled_nose(picture.pixels, face.landmarks, strength) for strength in strengths]
    read = [reading(both, finder, nose)["nose wrinkle"] or 0.0 for nose in noses]
    assert read == sorted(read), "the more it is wrinkled, the more is read"
    assert read[0] < TRACE
    assert read[-1] > 0.2


def test_a_unit_that_joins_two_of_facs_tells_them_apart() -> None:
    table = UnitTable()
    units = np.zeros(len(FACS))
    units[FACS.index(1)] = 2.0
    parts = table.parts(units)
    assert set(parts) == {1, 2}
    assert parts[1] > 0.1 > -0.1 > parts[2]
    assert sum(parts.values()) == pytest.approx(0)


def test_a_table_with_ramps_of_the_parts_uses_them() -> None:
    raw = copy.deepcopy(load_units())
    raw["actions"]["brow raise"]["parts"] = {"2": {"floor": -9.0, "dead_zone": -8.0, "full_scale": -7.0}}
    apart, usual = (UnitTable(one).parts(np.zeros(len(FACS))) for one in (raw, None))
    assert apart[2] > usual[2]


def test_facs_readings_keep_the_level_of_the_action(both: UnitReader, finder: FaceFinder) -> None:
    picture, faces = seen(finder, ASTRONAUT)
    (found,) = both.measure(picture, faces[:1])
    assert found is not None
    assert set(found.facs) == {1, 2}
    level = max(found.aus["left brow raise"] or 0, found.aus["right brow raise"] or 0)
    assert min(found.facs.values()) <= level <= max(found.facs.values())
    (shapes,) = UnitReader().measure(picture, faces[:1])
    assert shapes is not None
    assert not shapes.facs


def test_the_band_of_sources_that_contradict_each_other_holds_both(both: UnitReader) -> None:
    assert both.table.actions["brow raise"].weights[1] > 0
    still = dict.fromkeys((*CHANNELS, *DEAD_CHANNELS), 0.0)
    aus, apart = both._joined(still, {"brow raise": 0.9})
    assert aus["left brow raise"] == pytest.approx(0.9)
    assert apart == {"brow raise": (0.0, 0.9)}
    reading = both._reading("left brow raise", aus, {"brow raise": 0.9}, apart)
    assert (reading.source, reading.low) == (AUSource.BOTH, 0.0)
    assert (reading.high or 0) >= 0.9
    aus, apart = both._joined(still, {"brow raise": 0.4})
    assert apart == {}
    assert aus["left brow raise"] == pytest.approx(both.of(still, {"brow raise": 0.4})["left brow raise"])
