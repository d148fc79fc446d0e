"""How our face boxes lie to those of SCRFD, the paper's detector: the reason for the margin of a crop.

    python benchmarks/face_boxes.py PORTRAITS SCRFD.onnx [--faces 400]

SCRFD sees each portrait in the middle of a black square of three times its side: it finds no face that fills
the frame. Figures are parts of the longer side of our box.
"""

import argparse
import random

import numpy as np

from expllm.core.records import Rect
from expllm.data import image_bytes, open_dataset
from expllm.faces.boxes import MARGIN
from expllm.faces.detectors import ScrfdDetector
from expllm.faces.finder import FaceFinder
from expllm.files.images import Picture, open_image


def scrfd_box(picture: Picture, detector: ScrfdDetector) -> Rect | None:
    """The only face that SCRFD sees, in full-size pixels; None if it sees none or several."""
    high, wide = picture.pixels.shape[:2]
    side = 3 * max(high, wide)
    top, left = (side - high) // 2, (side - wide) // 2
    square = np.zeros((side, side, 3), np.uint8)
    square[top : top + high, left : left + wide] = picture.pixels
    found = detector.detect(square)
    if len(found) != 1:
        return None
    x, y, width, height = found[0].box
    scale_x, scale_y = picture.scale_x, picture.scale_y
    return (x - left) * scale_x, (y - top) * scale_y, width * scale_x, height * scale_y


def overhang(ours: Rect, theirs: Rect) -> list[float]:
    """How far their box goes beyond ours at the left, top, right, bottom; the longer side of theirs."""
    right, bottom = (ours[i] + ours[i + 2] for i in (0, 1))
    their_right, their_bottom = (theirs[i] + theirs[i + 2] for i in (0, 1))
    beyond = [ours[0] - theirs[0], ours[1] - theirs[1], their_right - right, their_bottom - bottom]
    return [value / max(ours[2:]) for value in (*beyond, max(theirs[2:]))]


def held(ours: Rect, theirs: Rect, margin: float) -> float:
    """Which part of their box a square around ours with a margin holds."""
    half = max(ours[2:]) * (0.5 + margin)
    part = 1.0
    for i in (0, 1):
        centre = ours[i] + ours[i + 2] / 2
        shared = min(centre + half, theirs[i] + theirs[i + 2]) - max(centre - half, theirs[i])
        part *= max(shared, 0.0) / theirs[i + 2]
    return part


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("portraits", help="a data set of pictures of one face each")
    parser.add_argument("scrfd", help="an ONNX file of SCRFD")
    parser.add_argument("--faces", type=int, default=400)
    options = parser.parse_args()
    samples = list(open_dataset(options.portraits))
    random.Random(0).shuffle(samples)
    pairs: list[tuple[Rect, Rect]] = []
    detector = ScrfdDetector(options.scrfd)
    with FaceFinder() as finder:
        for sample in samples[: options.faces]:
            if sample.image is None:
                continue
            picture = open_image(image_bytes(sample.image))
            faces, theirs = finder.find(picture), scrfd_box(picture, detector)
            if len(faces) == 1 and faces[0].status == "ok" and theirs:
                pairs.append((faces[0].box, theirs))
    figures = np.array([overhang(*pair) for pair in pairs])
    print(f"{len(pairs)} portraits; percentiles 5, 50, 95")
    for name, column in zip(("left", "top", "right", "bottom", "their side"), figures.T, strict=True):
        print(f"{name:>10}", *(f"{value:6.3f}" for value in np.percentile(column, (5, 50, 95))))
    for margin in sorted({0.0, 0.05, 0.1, 0.15, 0.2, MARGIN}):
        parts = np.array([held(*pair, margin) for pair in pairs])
        print(
            f"margin {margin:.2f}: holds all of {np.mean(parts > 0.9999):.1%}, {parts.mean():.2%} of the area"
        )


if __name__ == "__main__":
    main()
