"""Decoding: exact times, upright frames, damage by place, and nothing that a file names is opened."""

import http.server
import io
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from encoding import broken_in, encode, marked, number_in, saved, sound_only
from PIL import Image

from expllm.core.errors import UsageError, VideoError
from expllm.video.clip import Clip, Frame, Sampling, VideoLimits
from expllm.video.damage import Damage, damage_lines


def frames_of(data: bytes | Path, sampling: Sampling | None = None, **options: Any) -> list[Frame]:
    with Clip(data, **options) as clip:
        return list(clip.frames(sampling))


@pytest.fixture(scope="module")
def plain() -> bytes:
    """40 frames at 25 a second."""
    return encode(marked(i) for i in range(40))


def test_frames_come_in_order_with_their_times(plain: bytes) -> None:
    with Clip(plain) as clip:
        seen = [(frame.number, frame.time, number_in(frame.pixels())) for frame in clip.frames()]
        assert clip.damage == []
        assert (clip.info.codec, clip.info.width, clip.info.height) == ("h264", 64, 48)
    assert [number for number, _, _ in seen] == list(range(40))
    assert np.allclose([time for _, time, _ in seen], np.arange(40) / 25, atol=1e-3)
    assert max(abs(shown - number) for number, _, shown in seen) <= 2


@pytest.mark.parametrize(
    ("container", "codec"), [("matroska", "libvpx-vp9"), ("mp4", "libx264"), ("mov", "mpeg4")]
)
def test_times_of_a_variable_rate_are_exact(container: str, codec: str) -> None:
    steps = np.random.default_rng(3).integers(12, 120, 50)
    times = (np.cumsum(steps) / 1000).tolist()
    data = encode((marked(i) for i in range(50)), times, container=container, codec=codec)
    assert np.abs(np.array([frame.time for frame in frames_of(data)]) - times).max() <= 1e-3


def test_the_clock_of_a_transport_stream_starts_at_zero() -> None:
    data = encode((marked(i) for i in range(30)), container="mpegts")
    assert frames_of(data)[0].time == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_frames_of_a_phone_stand_upright(turn: int) -> None:
    upright = np.zeros((48, 64, 3), np.uint8)
    upright[:24, :32] = (250, 30, 30)
    stored = np.ascontiguousarray(np.rot90(upright, -turn // 90))
    data = encode([stored] * 5, rotation=turn)
    pixels = frames_of(data)[0].pixels()
    assert pixels.shape == upright.shape
    assert pixels.flags.c_contiguous
    assert np.abs(pixels[4:20, 4:28].astype(int) - (250, 30, 30)).mean() < 25


def test_pixels_that_are_not_square_are_made_so() -> None:
    data = encode([marked(i) for i in range(3)], container="matroska", aspect=Fraction(2))
    assert frames_of(data)[0].pixels().shape == (48, 128, 3)


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("libx264", "yuv444p"),
        ("libx264", "yuv420p10le"),
        ("libx264", "gray"),
        ("ffv1", "bgra"),
        ("libvpx-vp9", "yuv422p"),
    ],
)
def test_odd_pixel_formats(codec: str, pixel_format: str) -> None:
    data = encode((marked(i) for i in range(3)), container="matroska", codec=codec, pixel_format=pixel_format)
    assert [abs(number_in(frame.pixels()) - i) <= 4 for i, frame in enumerate(frames_of(data))] == [True] * 3


def test_damaged_packets_are_named_by_time() -> None:
    whole = encode((marked(i, (160, 120)) for i in range(100)), options={"g": "20", "bf": "0"})
    data = broken_in(whole, [31, 32, 60])
    with Clip(data, name="clip.mp4") as clip:
        frames = list(clip.frames())
        damage = clip.damage
    assert 90 <= len(frames) <= 100
    assert len({frame.time for frame in frames}) == len(frames)
    assert [one for one in damage if one.time is not None and 1.2 <= one.time <= 1.3]
    missing = {round(i / 25, 3) for i in range(100)} - {round(frame.time, 3) for frame in frames}
    named = {round(one.time, 3) for one in damage if one.time is not None}
    assert missing <= named
    assert all(line.startswith("clip.mp4: ") for line in damage_lines("clip.mp4", damage))
    with Clip(data) as again:
        assert [frame.time for frame in again.frames()] == [frame.time for frame in frames]
        assert again.damage == damage


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (Sampling(), True),
        (Sampling(start=2.0), False),
        (Sampling(stop=1.0), False),
        (Sampling(start=1.0), True),
    ],
)
def test_damage_outside_the_wanted_part_is_not_named(part: Sampling, named: bool) -> None:
    whole = encode((marked(i, (160, 120)) for i in range(100)), options={"g": "20", "bf": "0"})
    with Clip(broken_in(whole, [31, 32])) as clip:
        times = [frame.time for frame in clip.frames(part)]
        assert bool(clip.damage) is named
        assert all(one.time is not None and part.holds(one.time) for one in clip.damage)
    assert all(part.holds(time) for time in times)


def test_a_file_that_breaks_off_gives_what_it_holds() -> None:
    whole = encode((marked(i) for i in range(100)), container="matroska")
    with Clip(whole[: len(whole) // 2]) as clip:
        assert 20 < len(list(clip.frames())) < 100


def test_sampling_keeps_numbers_and_times_of_the_source(plain: bytes) -> None:
    every = frames_of(plain, Sampling(every=5))
    assert [frame.number for frame in every] == [0, 5, 10, 15, 20, 25, 30, 35]
    slow = frames_of(plain, Sampling(fps=5))
    assert [frame.number for frame in slow] == [0, 5, 10, 15, 20, 25, 30, 35]
    part = frames_of(plain, Sampling(start=0.4, stop=0.8))
    assert [frame.number for frame in part] == list(range(10, 20))
    assert part[0].time == pytest.approx(0.4, abs=1e-3)


def test_frames_between_the_wanted_ones_come_where_they_are_asked_for(plain: bytes) -> None:
    with Clip(plain) as clip:
        seen = [
            (frame.number, frame.wanted) for frame in clip.frames(Sampling(fps=5, start=0.4), between=True)
        ]
    assert [number for number, _ in seen] == list(range(10, 40))
    assert [number for number, wanted in seen if wanted] == [10, 15, 20, 25, 30, 35]


@pytest.mark.parametrize(
    "wrong", [{"fps": 0.0}, {"fps": 5.0, "every": 2}, {"every": 0}, {"start": 2.0, "stop": 1.0}]
)
def test_sampling_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Sampling(**wrong)


def test_a_cover_picture_is_no_video() -> None:
    cover = io.BytesIO()
    Image.new("RGB", (32, 32)).save(cover, "JPEG")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        sound = out.add_stream("aac", rate=16000)
        art: Any = out.add_stream("mjpeg", rate=1)
        art.width = art.height = 32
        art.pix_fmt = "yuvj420p"
        art.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts, packet.time_base = art, 0, 0, Fraction(1, 16000)
        out.mux(packet)
    with pytest.raises(VideoError, match="holds no video"):
        Clip(file.getvalue())


def test_what_is_no_video_is_said_in_one_line(tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.new("RGB", (8, 8)).save(png, "PNG")
    cases = {
        "empty.mp4": (b"", "empty"),
        "noise.mp4": (bytes(range(256)) * 40, "not a video of a known format"),
        "picture.mp4": (png.getvalue(), "use 'expllm analyze'"),
        "sound.mp4": (sound_only(), "holds no video"),
        "list.mp4": (b"#EXTM3U\nhttp://127.0.0.1/x.ts\n", "playlist"),
    }
    for name, (data, words) in cases.items():
        with pytest.raises(VideoError, match=words) as caught:
            Clip(saved(tmp_path, name, data))
        assert "\n" not in caught.value.line
        assert name in caught.value.line
    for source, words in (
        (tmp_path, "folder"),
        (tmp_path / "none.mp4", "no such file"),
        ("http://x/y.mp4", "address"),
    ):
        with pytest.raises(VideoError, match=words):
            Clip(source)


def test_limits_are_kept(plain: bytes) -> None:
    for limits in (VideoLimits(max_bytes=1000), VideoLimits(max_side=32), VideoLimits(max_hours=1 / 3600)):
        with pytest.raises(VideoError):
            frames_of(plain, limits=limits)


def test_a_rate_that_no_camera_has_is_refused_unless_fewer_frames_are_looked_at() -> None:
    fast = encode((marked(i) for i in range(40)), fps=500)
    with pytest.raises(VideoError, match="claims 500 frames a second, more than 240: use --fps"):
        frames_of(fast)
    assert len(frames_of(fast, Sampling(fps=100))) == 8
    assert len(frames_of(fast, Sampling(every=5))) == 8


@pytest.fixture
def loopback() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine, and the requests that it saw."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as started:
        thread = threading.Thread(target=started.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{started.server_address[1]}", seen
        started.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.mpd", "list.ffconcat"])
@pytest.mark.parametrize(
    "form",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{0}/a.ts\n#EXT-X-ENDLIST\n",
        "\n\n#EXTM3U\n{0}/a.ts\n",
        "ffconcat version 1.0\nfile {0}/a.mp4\n",
        "<?xml version='1.0'?>\n<MPD><BaseURL>{0}/a.mp4</BaseURL></MPD>",
        "[playlist]\nFile1={0}/a.mp4\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
)
def test_playlists_are_refused_and_nothing_is_fetched(
    tmp_path: Path, loopback: tuple[str, list[str]], name: str, form: str
) -> None:
    address, seen = loopback
    path = saved(tmp_path, name, form.format(address).encode())
    with pytest.raises(VideoError):
        Clip(path)
    assert seen == []


def test_neighbouring_damage_is_one_line() -> None:
    damage = [
        Damage(7.1, "bad"),
        Damage(7.3, "bad"),
        Damage(7.4, "bad"),
        Damage(60.0, "no frame came"),
        Damage(None, "off"),
    ]
    assert damage_lines("a.mp4", damage) == [
        "a.mp4: off",
        "a.mp4: 3 packets between 0:07.1 and 0:07.4 cannot be decoded (bad)",
        "a.mp4: 1 packet at 1:00.0 cannot be decoded (no frame came)",
    ]
