"""The lines of a face mesh over 478 landmarks: small constant data, read once.

The lists come from MediaPipe (Apache-2.0, Google); scripts/make_face_mesh.py writes them to assets.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final, Literal

Group = Literal["left", "right", "middle", "mesh"]
GROUPS: Final[tuple[Group, ...]] = ("left", "right", "middle", "mesh")
Points = Sequence[tuple[float, float, float]]
Line = list[tuple[float, float]]


@cache
def _trails() -> dict[str, list[list[int]]]:
    text = files("expllm").joinpath("assets/face_mesh.json").read_text(encoding="utf-8")
    return {name: value for name, value in json.loads(text).items() if name != "source"}


def lines(landmarks: Points, group: Group, scale: tuple[float, float] = (1.0, 1.0)) -> list[Line]:
    """The polylines of a group, in landmark coordinates divided by `scale` (x, y).

    Args:
        landmarks: 478 points (x, y, z); with fewer, there are no lines.
        group: Eye, brow and iris of the subject's ``left`` or ``right``; ``middle`` is the lips and the
            face oval; ``mesh`` the fine triangles.
        scale: Pixels of the full-size picture for one pixel of the drawing.
    """
    across, down = scale
    highest = len(landmarks) - 1
    return [
        [(landmarks[i][0] / across, landmarks[i][1] / down) for i in trail]
        for trail in _trails()[group]
        if max(trail) <= highest
    ]
