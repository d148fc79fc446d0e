"""Blendshapes to action units: dead zones, scales, sides, and what is not measured."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from expllm.core.errors import RecordError
from expllm.core.vocabulary import ACTION_UNITS, AU_BY_NAME, FEAFA_NAMES
from expllm.faces.au_reader import TRACE, BlendshapeReader, Channel, load_calibration, reading_warnings
from expllm.faces.finder import FaceFinder
from expllm.faces.landmarks import Face
from expllm.files.images import open_image

CALIBRATION = load_calibration()
CHANNELS = sorted({name for entry in CALIBRATION["aus"].values() for name in entry.get("channels", {})})
READER = BlendshapeReader()

blendshapes = st.fixed_dictionaries(dict.fromkeys(CHANNELS, st.floats(0, 1)))


def swapped(scores: dict[str, float]) -> dict[str, float]:
    """The scores of the mirrored face: ARKit names end in Left or Right."""

    def other(name: str) -> str:
        if name.endswith("Left"):
            return name.removesuffix("Left") + "Right"
        return name.removesuffix("Right") + "Left" if name.endswith("Right") else name

    return {other(name): score for name, score in scores.items()}


def test_a_channel_keeps_to_a_trace_in_the_dead_zone_then_rises_to_one() -> None:
    channel = Channel({"a": 1.0, "b": -0.5}, "sum", dead_zone=0.2, full_scale=0.6)
    readings = [channel.read({"a": a, "b": 0.2}) for a in (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)]
    assert readings == pytest.approx([0, 0, 0.025, 0.05, 0.525, 1, 1])
    assert Channel({"a": 1.0, "b": 1.0}, "max", 0.0, 1.0).read({"a": 0.2, "b": 0.7}) == pytest.approx(0.715)


def test_the_calibration_names_every_unit_and_only_real_channels(finder: FaceFinder, astronaut: Any) -> None:
    assert list(CALIBRATION["aus"]) == list(FEAFA_NAMES)
    (face,) = finder.find(open_image(astronaut))
    assert face.blendshapes is not None
    assert set(CHANNELS) <= set(face.blendshapes)


@pytest.mark.parametrize("name", FEAFA_NAMES)
def test_left_and_right_share_their_constants(name: str) -> None:
    entry, mirror = (CALIBRATION["aus"][one] for one in (name, AU_BY_NAME[name].mirror))
    assert entry["measured"] == mirror["measured"]
    if entry["measured"]:
        assert swapped(entry["channels"]) == mirror["channels"]
        for constant in ("combine", "dead_zone", "full_scale"):
            assert entry[constant] == mirror[constant]


def test_what_is_not_measured_says_why_and_stays_unknown() -> None:
    aus = READER.read_blendshapes(dict.fromkeys(CHANNELS, 1.0))
    for name, entry in CALIBRATION["aus"].items():
        assert (aus[name] is None) == (not entry["measured"])
        assert entry["measured"] or len(entry["reason"]) > 10
    assert aus.measured == READER.measured


def test_a_face_at_rest_reads_zero() -> None:
    assert READER.read_blendshapes(dict.fromkeys(CHANNELS, 0.0)).active() == {}


@given(blendshapes)
def test_the_mirrored_face_reads_mirrored(scores: dict[str, float]) -> None:
    assert READER.read_blendshapes(swapped(scores)) == READER.read_blendshapes(scores).mirrored()


@given(blendshapes, st.sampled_from(CHANNELS))
def test_more_of_a_channel_never_lowers_its_own_unit(scores: dict[str, float], channel: str) -> None:
    more = {**scores, channel: 1.0}
    for au in ACTION_UNITS:
        weight = CALIBRATION["aus"].get(au.name, {}).get("channels", {}).get(channel, 0)
        before, after = (READER.read_blendshapes(one)[au.name] for one in (scores, more))
        if before is not None and after is not None and weight >= 0:
            assert after >= before


def test_a_smile_is_a_smile(finder: FaceFinder, astronaut: NDArray[np.uint8]) -> None:
    (face,) = finder.find(open_image(astronaut))
    aus = READER.read(face)
    assert aus is not None
    for side in ("left", "right"):
        pull, lower = aus[f"{side} lip corner pull"], aus[f"{side} brow lower"]
        assert pull is not None
        assert pull > 0.7
        assert lower is not None
        assert lower <= TRACE
    assert READER.read(face, mirrored=True) == aus.mirrored()


def test_no_landmarks_no_reading() -> None:
    assert READER.read(Face("too_small", (0, 0, 9, 9))) is None


def test_turned_heads_get_a_warning() -> None:
    def turned(yaw: float, roll: float = 0) -> Face:
        a, b = np.radians(yaw), np.radians(roll)
        ry = np.array([(np.cos(a), 0, np.sin(a)), (0, 1, 0), (-np.sin(a), 0, np.cos(a))])
        rz = np.array([(np.cos(b), np.sin(b), 0), (-np.sin(b), np.cos(b), 0), (0, 0, 1)])
        return Face("ok", (0, 0, 1, 1), rotation=(ry @ rz).astype(np.float32))

    assert reading_warnings(turned(20)) == ()
    assert "50 degrees to its left" in reading_warnings(turned(50))[0]
    assert "50 degrees to its right" in reading_warnings(turned(-50))[0]
    assert "upside down" in reading_warnings(turned(0, 170))[0]
    assert reading_warnings(Face("no_landmarks", (0, 0, 1, 1))) == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c["aus"].pop("jaw drop"),
        lambda c: c["aus"]["jaw drop"].update(full_scale=c["aus"]["jaw drop"]["dead_zone"]),
        lambda c: c["aus"]["jaw drop"].update(combine="median"),
        lambda c: c["aus"]["jaw drop"].update(channels={}),
        lambda c: c.pop("card"),
    ],
)
def test_a_damaged_calibration_is_refused(damage: Any) -> None:
    calibration = load_calibration()
    damage(calibration)
    with pytest.raises(RecordError, match="not an AU calibration"):
        BlendshapeReader(calibration)
