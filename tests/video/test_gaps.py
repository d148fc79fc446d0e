"""Frames that vanish without an error are named all the same; what is merely slow is not."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from encoding import encode, marked

from expllm.video.clip import Clip, Sampling
from expllm.video.damage import Damage, damage_lines

COURSE = (Path(__file__).parents[1] / "clips" / "course.webm").read_bytes()
"""300 frames at 25 a second."""


def decoded(data: bytes, part: Sampling | None = None) -> tuple[list[float], list[Damage]]:
    with Clip(data, name="clip") as clip:
        return [round(frame.time, 3) for frame in clip.frames(part)], clip.damage


def is_named(time: float, damage: list[Damage]) -> bool:
    return any(
        one.time is not None and one.time - 0.002 <= time <= (one.until or one.time) + 0.002 for one in damage
    )


def unnamed(data: bytes, all_times: list[float]) -> tuple[int, list[float]]:
    """How many frames are missing, and those that no damage names."""
    times, damage = decoded(data)
    missing = sorted(set(all_times) - set(times))
    return len(missing), [time for time in missing if not is_named(time, damage)]


def overwritten(data: bytes, start: int, length: int) -> bytes:
    damaged = bytearray(data)
    damaged[start : start + length] = bytes(byte ^ 0x5A for byte in damaged[start : start + length])
    return bytes(damaged)


def noisy(container: str, codec: str, seconds: int = 4) -> bytes:
    pictures = (marked(i % 100, (96, 64)) for i in range(25 * seconds))
    return encode(pictures, container=container, codec=codec, options={"g": "25"})


@pytest.mark.parametrize("length", [8, 400, 3000])
def test_wherever_a_webm_is_overwritten_every_missing_frame_is_named(length: int) -> None:
    lost = 0
    for start in range(2000, len(COURSE) - 4000, 13_000):
        missing, silent = unnamed(overwritten(COURSE, start, length), [i / 25 for i in range(300)])
        assert silent == [], (start, length)
        lost += missing
    assert lost > 0


def test_wherever_a_matroska_file_is_overwritten_every_missing_frame_is_named() -> None:
    whole = noisy("matroska", "libx264")
    for start in range(2000, len(whole) - 4000, len(whole) // 12):
        assert unnamed(overwritten(whole, start, 400), [i / 25 for i in range(100)])[1] == [], start


def test_a_hole_is_told_with_both_ends() -> None:
    times, damage = decoded(overwritten(COURSE, 50_000, 400))
    assert max(np.diff(times)) > 4
    (hole,) = [one for one in damage if one.until is not None]
    assert damage_lines("clip", [hole]) == ["clip: no packets between 0:05.3 and 0:10.1"]


def test_a_hole_outside_the_wanted_part_is_not_told_and_one_across_its_edge_in_part() -> None:
    data = overwritten(COURSE, 50_000, 400)
    assert decoded(data, Sampling(stop=5.0))[1] == []
    assert decoded(data, Sampling(start=10.5))[1] == []
    (hole,) = [one for one in decoded(data, Sampling(start=8.0))[1] if one.until is not None]
    assert hole.time == 8.0


def test_a_webm_that_was_cut_off_says_where() -> None:
    times, damage = decoded(COURSE[:60_000])
    assert len(times) == 158
    lines = damage_lines("clip", damage)
    assert lines[-1] == "clip: the file claims 0:12.0, nothing comes after 0:06.3"
    assert all(is_named(i / 25, damage) for i in range(158, 300))
    assert decoded(COURSE[:60_000], Sampling(stop=6.0))[1] == []
    assert decoded(COURSE[:60_000], Sampling(stop=9.0))[1][-1].until == 9.0


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_matroska_file_that_was_cut_off_names_every_missing_frame(share: float) -> None:
    whole = noisy("matroska", "libx264")
    missing, silent = unnamed(whole[: int(share * len(whole))], [i / 25 for i in range(100)])
    assert missing > 25
    assert silent == []


def test_an_mp4_that_was_cut_off_names_every_missing_frame(tmp_path: Path) -> None:
    """With its index before the pictures, as for the web."""
    path = tmp_path / "fast.mp4"
    with (
        av.open(io.BytesIO(noisy("mp4", "libx264")), "r") as source,
        av.open(str(path), "w", options={"movflags": "faststart"}) as out,
    ):
        stream: Any = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    whole = path.read_bytes()
    missing, silent = unnamed(whole[: len(whole) // 2], [i / 25 for i in range(100)])
    assert missing > 25
    assert silent == []


@pytest.mark.parametrize(
    ("container", "codec"),
    [("webm", "libvpx-vp9"), ("matroska", "libx264"), ("mp4", "libx264"), ("mpegts", "libx264")],
)
def test_a_rate_that_varies_is_no_damage(container: str, codec: str) -> None:
    """A recording of a screen on which nothing happens for seconds."""
    steps = [*([0.04] * 20), 3.0, *([0.1] * 10), 1.5, *([0.04] * 10)]
    times = np.cumsum([0.0, *steps]).tolist()
    data = encode((marked(i) for i in range(len(times))), times, container=container, codec=codec)
    assert decoded(data)[1] == []


def test_pictures_that_end_before_the_sound_are_no_damage() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        video: Any = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound: Any = out.add_stream("aac", rate=16000)
        for i in range(50):
            frame = av.VideoFrame.from_ndarray(marked(i), format="rgb24")
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for i in range(16000 * 6 // 1024):
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            silence.sample_rate, silence.pts = 16000, 1024 * i
            out.mux(sound.encode(silence))
        out.mux(sound.encode(None))
    times, damage = decoded(file.getvalue())
    assert len(times) == 50
    assert damage == []
