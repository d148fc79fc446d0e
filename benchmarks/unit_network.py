"""What reading action units from the pixels of a face takes: both looks, faces one by one and many at once.

    python benchmarks/unit_network.py                          # on all processors
    OPENBLAS_NUM_THREADS=1 python benchmarks/unit_network.py   # on one

Prints milliseconds a face, by the clock and of processor time: median and least of the rounds.
"""

import statistics
import time

import numpy as np
from PIL import Image

from expllm.faces.unit_network import face_net

ROUNDS = {1: 40, 8: 20, 64: 6}
"""Faces of a call, and how often it is made."""


def main() -> None:
    draw = np.random.default_rng(0)
    face = Image.fromarray(draw.integers(0, 255, (112, 112, 3), dtype=np.uint8))
    net = face_net()
    print("faces | by the clock, ms | processor time, ms\n--- | --- | ---")
    for count, rounds in ROUNDS.items():
        net.looks([face] * count)  # weights and caches are warm
        clock, processor = [], []
        for _ in range(rounds):
            began = time.perf_counter(), time.process_time()
            net.looks([face] * count)
            clock.append(1000 * (time.perf_counter() - began[0]) / count)
            processor.append(1000 * (time.process_time() - began[1]) / count)
        figures = (f"{statistics.median(some):.1f}, {min(some):.1f}" for some in (clock, processor))
        print(f"{count} | {' | '.join(figures)}")


if __name__ == "__main__":
    main()
