"""Writes src/expllm/assets/face_mesh.json from MediaPipe's lists of connected landmarks.

Run it again when MediaPipe changes its mesh: ``python scripts/make_face_mesh.py``. The report reads
the file, so that drawing a page never imports MediaPipe.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "src/expllm/assets/face_mesh.json"
GROUPS = {
    "left": ("LEFT_EYE", "LEFT_EYEBROW", "LEFT_IRIS"),
    "right": ("RIGHT_EYE", "RIGHT_EYEBROW", "RIGHT_IRIS"),
    "middle": ("LIPS", "FACE_OVAL"),
    "mesh": ("TESSELATION",),
}


def trails(edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Chains of landmarks that together walk every edge once, in whichever direction."""
    near: dict[int, set[int]] = defaultdict(set)
    for a, b in edges:
        near[a].add(b)
        near[b].add(a)
    found = []
    while any(near.values()):
        # An open line starts at an end, that is at a point with an odd number of edges; a ring anywhere.
        start = min((point for point in near if near[point]), key=lambda p: (len(near[p]) % 2 == 0, p))
        trail = [start]
        while near[trail[-1]]:
            here = trail[-1]
            following = min(near[here])
            near[here].remove(following)
            near[following].remove(here)
            trail.append(following)
        found.append(trail)
    return found


def main() -> None:
    """Reads the connections and writes the file."""
    import mediapipe
    from mediapipe.tasks.python import vision

    connections: Any = vision.FaceLandmarksConnections
    mesh: dict[str, Any] = {
        "source": f"MediaPipe {mediapipe.__version__}, FaceLandmarksConnections, Apache-2.0 (Google)",
    }
    for group, names in GROUPS.items():
        pairs = [getattr(connections, f"FACE_LANDMARKS_{name}") for name in names]
        mesh[group] = [trail for part in pairs for trail in trails((e.start, e.end) for e in part)]
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(mesh, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
