"""What a frame of a video costs: processor time beside a bare PyAV and MediaPipe loop, and memory.

    python benchmarks/video.py [--frames 250] [--memory 3000]
    python benchmarks/video.py --frames 0 --memory 90000      # an hour of video: 20 minutes on a quiet core

The bare loop is what everybody writes: decode, make it RGB, and give each frame to MediaPipe's Face
Landmarker with blendshapes. Bounds are those that the project has set itself; exit 1 if one is missed.
"""

import argparse
import io
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from timing import ASTRONAUT, Line, load, side_by_side

from expllm.faces.landmarks import Landmarker
from expllm.files.weights import FACE_LANDMARKER, locate
from expllm.video.analysis import VideoAnalysis, VideoOptions
from expllm.video.clip import Clip, Sampling
from expllm.video.stretch_store import StretchFolder
from expllm.video.stretches import StretchMeter

WALL = (128, 126, 122)
TOLD = 5000
"""Frames between two lines about memory."""


def encoded(frames: Iterator[NDArray[np.uint8]], fps: int = 25) -> bytes:
    """VP9 in WebM."""
    file = io.BytesIO()
    stream: Any = None
    with av.open(file, "w", format="webm") as out:
        for number, pixels in enumerate(frames):
            if stream is None:
                stream = out.add_stream(
                    "libvpx-vp9", rate=fps, options={"deadline": "realtime", "cpu-used": "8"}
                )
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, 1000)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(1000 * number / fps), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def faces(count: int, size: tuple[int, int], heads: int, side: int) -> Iterator[NDArray[np.uint8]]:
    """The bundled portrait, so many times, moving a little; its face is 0.4 of `side`."""
    portrait = Image.open(ASTRONAUT).convert("RGB").crop((90, 0, 360, 270)).resize((side, side))
    for number in range(count):
        canvas = Image.new("RGB", size, WALL)
        for head in range(heads):
            x = (
                size[0] * (2 * head + 1) // (2 * heads)
                - side // 2
                + round(8 * np.sin(2 * np.pi * number / 50 + head))
            )
            canvas.paste(portrait, (x, (size[1] - side) // 2))
        yield np.asarray(canvas)


def bare(data: bytes) -> None:
    """The loop that everybody writes."""
    landmarker = Landmarker(locate(FACE_LANDMARKER, None), 1)
    with av.open(io.BytesIO(data), "r") as clip:
        clip.streams.video[0].thread_count = 1
        for frame in clip.decode(video=0):
            landmarker.fit_blindly(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
    landmarker.close()


def ours(data: bytes) -> None:
    """All that is measured of a video: decoded, followed, read, written."""
    with tempfile.TemporaryDirectory() as folder, StretchMeter() as meter, Clip(data) as clip:
        meter.measure(clip, StretchFolder(Path(folder)), Sampling())


def costs(frames: int, rounds: int) -> Iterator[Line]:
    """Milliseconds of processor time a frame; what opening the models takes is taken off."""
    portrait = encoded(faces(frames, (640, 480), 1, 400))
    two = encoded(faces(frames, (1280, 720), 2, 130))
    empty = encoded(faces(frames, (640, 480), 0, 10))
    one = encoded(faces(1, (640, 480), 1, 400))
    sides: dict[str, Callable[[], object]] = {
        "bare": lambda: bare(portrait), "ours": lambda: ours(portrait), "bare start": lambda: bare(one),
        "our start": lambda: ours(one), "two": lambda: ours(two), "empty": lambda: ours(empty),
    }  # fmt: skip
    clocks = side_by_side(rounds, **sides)
    cpu = {name: 1000 * clock.best_cpu for name, clock in clocks.items()}
    base = (cpu["bare"] - cpu["bare start"]) / (frames - 1)
    own = (cpu["ours"] - cpu["our start"]) / (frames - 1)
    yield Line("bare PyAV + MediaPipe loop, VGA, one face: CPU ms a frame", base)
    yield Line("ours, the same", own)
    yield Line("ours / bare", own / base, at_most=1.25)
    yield Line(
        "two small faces at 720p: CPU ms a frame", (cpu["two"] - cpu["our start"]) / frames, at_most=25
    )
    yield Line("empty frame, VGA: CPU ms a frame", (cpu["empty"] - cpu["our start"]) / frames, at_most=5)


def looped(data: bytes, frames: int, path: Path, fps: int = 25) -> None:
    """A clip over and over until it has so many frames, as WebM; nothing is encoded again."""
    number = 0
    with av.open(str(path), "w", format="webm") as out:
        stream: Any = None
        while number < frames:
            with av.open(io.BytesIO(data), "r") as clip:
                if stream is None:
                    stream = out.add_stream_from_template(clip.streams.video[0])
                for packet in clip.demux(video=0):
                    if packet.dts is None or number == frames:
                        continue
                    packet.pts = packet.dts = round(1000 * number / fps)
                    packet.time_base, packet.stream = Fraction(1, 1000), stream
                    out.mux(packet)
                    number += 1


def memory(frames: int) -> Iterator[Line]:
    """Growth of the process from the thousandth frame on, in MB: measuring, and when all is derived."""
    seen: list[float] = []

    def watch(_: float, __: int) -> None:
        seen.append(_resident())
        if len(seen) % TOLD == 0:
            start = min(1000, len(seen) // 2)
            print(f"{len(seen):,} frames: {max(seen[start:]) - seen[start]:+.1f} MB", file=sys.stderr)

    with tempfile.TemporaryDirectory() as folder, StretchMeter() as meter:
        path, store = Path(folder) / "long.webm", StretchFolder(Path(folder) / "stretches")
        looped(encoded(faces(250, (320, 240), 1, 160)), frames, path)
        with Clip(path) as clip:
            meter.measure(clip, store, Sampling(), watch=watch)
            start = min(1000, len(seen) // 2)
            yield Line(
                f"resident memory from frame {start:,} to {len(seen):,}: MB",
                max(seen[start:]) - seen[start],
                at_most=50,
            )
            rows = sum(1 for _ in VideoAnalysis(store, clip.info, VideoOptions()))
    yield Line(f"the same when events are derived and {rows:,} rows read: MB", _resident() - seen[start])


def _resident() -> float:
    """Megabytes of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=250, help="frames a clip; 0 leaves costs out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=3000, help="frames; 0 leaves it out")
    args = parser.parse_args()
    print(load())
    missed = False
    costs_of = costs(args.frames, args.rounds) if args.frames else ()
    for line in chain(costs_of, memory(args.memory) if args.memory else ()):
        print(line, flush=True)
        missed |= line.missed
    sys.exit(missed)


if __name__ == "__main__":
    main()
