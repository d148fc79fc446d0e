"""How fast `expllm analyze` is, and how much memory it takes, side by side with a bare MediaPipe loop.

    make bench [DATA=../shared/data]
    python benchmarks/analyze.py [--data FOLDER] [--quick]

Four parts; each prints its figures, a table with the bounds stands at the end, and a missed bound exits 1:

a. `expllm aus` in-process (`batch.analyze_many`, JPEG bytes in) over 500 portraits, against MediaPipe's
   Face Landmarker over the same pictures, decoded beforehand: at least 0.8 of its pictures a second.
b. Memory over 5,000 pictures: less than 50 MB more than after the first 200.
c. `expllm --help` under 0.3 s, `import expllm` under 0.1 s more than Python's own start.
d. CPU time of a picture of 640 x 480, by part: at most 10 ms; a 12-megapixel JPEG at reduced scale at least
   three times faster than in full, with landmarks within half a pixel.

Run it on an idle machine; times are the least of five rounds in which the sides take turns.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from parts import decoding, parts
from timing import Line, load, portraits, side_by_side

from expllm.files.images import open_image
from expllm.files.native import load_mediapipe, native_silence
from expllm.files.weights import FACE_LANDMARKER, locate
from expllm.predict.batch import ImageToOpen, analyze_many, default_workers
from expllm.predict.predictor import Predictor


def aus_only() -> Predictor:
    return Predictor(explain=False)


def run_expllm(pictures: list[bytes], workers: int | None) -> int:
    """The in-process path of `expllm aus`; returns the number of faces."""
    sources = (ImageToOpen(f"{i}.jpg", data) for i, data in enumerate(pictures))
    return sum(len(outcome.analyses) for outcome in analyze_many(sources, aus_only, workers=workers))


class BareLoop:
    """MediaPipe's Face Landmarker and nothing else, with the options that expllm uses."""

    def __init__(self, pictures: list[bytes]) -> None:
        mediapipe = load_mediapipe()
        vision = mediapipe.tasks.vision
        options = vision.FaceLandmarkerOptions(
            base_options=mediapipe.tasks.BaseOptions(model_asset_path=str(locate(FACE_LANDMARKER))),
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
            num_faces=20,
        )
        with native_silence():
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
        self._images: list[Any] = [
            mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.array(open_image(data).pixels))
            for data in pictures
        ]

    def run(self) -> int:
        return sum(len(self._landmarker.detect(image).face_blendshapes) for image in self._images)

    def close(self) -> None:
        with native_silence():
            self._landmarker.close()


def throughput(pictures: list[bytes], rounds: int) -> Iterator[Line]:
    """Part a. With one worker for the same number of threads, and with as many as `expllm aus` takes."""
    bare = BareLoop(pictures)
    workers = default_workers()
    clocks = side_by_side(
        rounds,
        bare=bare.run,
        one=lambda: run_expllm(pictures, 1),
        many=lambda: run_expllm(pictures, workers),
    )
    bare.close()
    speed = {name: len(pictures) / clock.best_wall for name, clock in clocks.items()}
    cost = {name: clock.best_cpu * 1000 / len(pictures) for name, clock in clocks.items()}
    yield Line("bare MediaPipe, pictures/s", speed["bare"])
    yield Line("bare MediaPipe, CPU ms a picture", cost["bare"])
    yield Line("expllm aus, 1 worker, pictures/s", speed["one"])
    yield Line("expllm aus, 1 worker, CPU ms a picture (decoding included)", cost["one"])
    yield Line(f"expllm aus, {workers} workers (default), pictures/s", speed["many"])
    yield Line("bare / expllm aus, CPU time (holds on a busy machine too)", cost["bare"] / cost["one"])
    yield Line("expllm aus, 1 worker / bare, pictures/s", speed["one"] / speed["bare"])
    yield Line(
        f"expllm aus, {workers} workers / bare, pictures/s", speed["many"] / speed["bare"], at_least=0.8
    )


def resident_mb() -> float:
    """Memory of this process in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def memory(pictures: list[bytes], total: int, settled: int = 200) -> Iterator[Line]:
    """Part b."""
    sources = (ImageToOpen(f"{i}.jpg", pictures[i % len(pictures)]) for i in range(total))
    after_first, most = 0.0, 0.0
    for done, _ in enumerate(analyze_many(sources, aus_only), start=1):
        if done == settled:
            after_first = resident_mb()
        elif done > settled and done % 50 == 0:
            most = max(most, resident_mb())
    yield Line(f"memory after {settled} pictures, MB", after_first)
    yield Line(f"most over {total} pictures, MB more", most - after_first, at_most=50.0)


def start_seconds(command: list[str], times: int) -> float:
    """The quickest of several processes, wall time."""
    best = float("inf")
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - started)
    return best


def starts(times: int) -> Iterator[Line]:
    """Part c."""
    bare = start_seconds([sys.executable, "-c", "pass"], times)
    package = start_seconds([sys.executable, "-c", "import expllm"], times)
    shown = start_seconds([sys.executable, "-m", "expllm", "--help"], times)
    yield Line("python -c pass, s", bare)
    yield Line("import expllm, s (Python's start included)", package)
    yield Line("import expllm, s more than Python's start", package - bare, at_most=0.1)
    yield Line("expllm --help, s (Python's start included)", shown, at_most=0.3)


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed and memory of expllm analyze.")
    parser.add_argument("--data", type=Path, help="folder with portraits_*.parquet (default: bundled face)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: a check, no figures")
    options = parser.parse_args()
    shrink, rounds = (10, 2) if options.quick else (1, 5)
    pictures = portraits(options.data, 500 // shrink)
    print(load(), flush=True)
    lines: list[Line] = []
    for title, part in (
        ("a. throughput", throughput(pictures, rounds)),
        ("b. memory", memory(pictures, 5000 // shrink, 200 // shrink)),
        ("c. start", starts(10)),
        ("d. parts at 640 x 480", parts(rounds, 50 // shrink)),
        ("d. decoding 4000 x 3000", decoding(rounds)),
    ):
        print(f"\n{title}", flush=True)
        for line in part:
            print(f"  {line}", flush=True)
            lines.append(line)
    missed = [line for line in lines if line.missed]
    print(f"\n{load()}\n\nbounds:")
    print("\n".join(f"  {line}" for line in lines if line.at_most is not None or line.at_least is not None))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
