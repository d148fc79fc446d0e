"""Which parts of a face can be seen: a mask, dark glasses, a hand or the picture's edge hides the others.

The landmark model fits a whole face, covered or not, and its blendshapes are guesses there. So a small
network looks at the face, turned upright and brought to 64 pixels, and tells which of six parts are
covered; landmarks outside the picture are hidden in any case. What it finds, and where it is wrong:
`docs/experiments.md`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from expllm.core.vocabulary import ActionUnit, Side
from expllm.faces.convnets import read_network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FACE_PARTS_ASSET: Final = "face_parts"
PART_CROP_SIDE: Final = 64
"""Of the face that the network sees, in pixels; the face itself is 46 high."""

THRESHOLD: Final = 0.3
"""Log odds from which a part is covered."""

FLAT: Final = 4.0
"""Standard deviation of grey levels up to which a part of the upright face shows nothing: a board, a lens,
deep shadow. Of 3,900 uncovered portraits 0.3 % have such a part, of 881 FER+ faces 0.6 %."""

ALIKE: Final = 0.28
"""Share of neighbouring pixels of equal grey, in each quarter of the upright face and on the forehead, from
which it is a drawing. Of 2,000 portraits, 881 FER+ faces and 546 renders none has more than 0.23 in every
quarter; faces drawn in flat colours have 0.33 and more."""

OUTSIDE: Final = 0.5
"""Share of a part's landmarks outside the picture from which it is hidden."""

_UPRIGHT: Final[Mapping[int, tuple[float, float]]] = MappingProxyType(
    {
        33: (19.7, 23.1),
        133: (27.1, 23.5),
        159: (22.8, 21.8),
        145: (23.2, 24.0),
        263: (44.3, 23.1),
        362: (36.9, 23.5),
        386: (41.2, 21.8),
        374: (40.8, 24.0),
        1: (32.0, 34.1),
        4: (32.0, 32.3),
        168: (32.0, 22.3),
        61: (24.2, 42.0),
        291: (39.8, 42.0),
        13: (32.0, 41.6),
        14: (32.0, 43.8),
        17: (32.0, 46.4),
        152: (32.0, 55.0),
        234: (12.1, 27.5),
        454: (51.9, 27.5),
        10: (32.0, 9.0),
        105: (20.2, 16.8),
        334: (43.8, 16.8),
        50: (18.1, 32.1),
        280: (45.9, 32.1),
    }
)
"""Where landmarks lie in the face that the network sees: means of 1,087 portraits that look ahead."""

_ANCHORS: Final = list(_UPRIGHT)
_ANCHORED: Final = [complex(x, y) for x, y in _UPRIGHT.values()]

_DETECTED: Final = (complex(23.2, 23.1), complex(40.8, 23.1), complex(32, 34.1), complex(32, 42.7))
"""The same for what a detector gives: right and left eye, tip of the nose, mouth."""

_SPOTS: Final[Mapping[str, tuple[int, int, int, int]]] = MappingProxyType(
    {
        "right brow": (16, 13, 28, 20),
        "left brow": (36, 13, 48, 20),
        "right eye": (18, 19, 29, 27),
        "left eye": (35, 19, 46, 27),
        "right mouth": (24, 39, 32, 47),
        "left mouth": (32, 39, 40, 47),
    }
)
"""Left, top, right and bottom of each part in the upright face."""

_RIGHT: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        "brow": (70, 63, 105, 66, 107, 46, 53, 52, 65, 55),
        "eye": (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
        "mouth": (61, 146, 91, 181, 84, 185, 40, 39, 37, 78, 95, 88, 178, 87, 191, 80, 81, 82),
    }
)
_LEFT: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        "brow": (300, 293, 334, 296, 336, 276, 283, 282, 295, 285),
        "eye": (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
        "mouth": (291, 375, 321, 405, 314, 409, 270, 269, 267, 308, 324, 318, 402, 317, 415, 310, 311, 312),
    }
)
VISIBLE_PARTS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        f"{side} {part}": points[part]
        for part in _RIGHT
        for side, points in (("right", _RIGHT), ("left", _LEFT))
    }
)
"""The six parts, sides being the subject's, and their landmarks. Right and left alternate."""


def covered_parts(
    pixels: "NDArray[np.uint8]", landmarks: "NDArray[np.float32]", *, network: bool = True
) -> frozenset[str]:
    """Names of the `VISIBLE_PARTS` of a face that something covers.

    Args:
        pixels: The picture that the landmarks were found in.
        landmarks: [478, 3] in its pixels.
        network: Ask the network (weights for research only); else only parts without any contrast count.
    """
    return _covered(upright(pixels, landmarks), network)


def covered_by_points(
    pixels: "NDArray[np.uint8]", points: Sequence[tuple[float, float]], *, network: bool = True
) -> frozenset[str]:
    """The same of a face that no landmarks fit, from a detector's points: both eyes, nose and mouth."""
    import numpy as np

    found = np.array([complex(x, y) for x, y in points])
    return _covered(_turned(pixels, found, np.array(_DETECTED)), network)


def _covered(upright_face: "NDArray[np.uint8]", network: bool) -> frozenset[str]:
    import numpy as np

    if not network:
        return _flat(upright_face)

    both = np.stack([upright_face, upright_face[:, ::-1]])
    scores = read_network(FACE_PARTS_ASSET)(both)  # [2, 6], log odds of being covered
    mirrored = scores[1].reshape(-1, 2)[:, ::-1].reshape(-1)
    covered = (scores[0] + mirrored) / 2 > THRESHOLD
    return frozenset(name for name, yes in zip(VISIBLE_PARTS, covered, strict=True) if yes) | _flat(
        upright_face
    )


def _flat(upright_face: "NDArray[np.uint8]") -> frozenset[str]:
    """Names of the parts in which there is nothing to see: all of them in a drawing."""
    import numpy as np

    grey = upright_face.astype(np.int16)
    grey = grey[..., 0] + grey[..., 1] + grey[..., 2]  # three times the mean
    if _is_drawn(grey):
        return frozenset(VISIBLE_PARTS)
    return frozenset(
        name
        for name, (left, top, right, bottom) in _SPOTS.items()
        if grey[top:bottom, left:right].std() < 3 * FLAT
    )


def _is_drawn(grey: "NDArray[np.int16]") -> bool:
    """Whether the upright face is full of even colour everywhere, as no photograph is.

    The forehead is asked apart: a mask leaves it free, and may reach into every quarter.
    """
    quarters = ((14, 33, 14, 31), (14, 33, 31, 50), (33, 54, 14, 31), (33, 54, 31, 50))
    places = (9, 22, 14, 50), *quarters
    return all(_alike(grey[top:bottom, left:right]) > ALIKE for top, bottom, left, right in places)


def _alike(grey: "NDArray[np.int16]") -> float:
    """Share of the pixels that are as grey as their neighbours at the left and above."""
    import numpy as np

    inner = grey[1:, 1:]
    return float(((np.abs(inner - grey[1:, :-1]) < 3) & (np.abs(inner - grey[:-1, 1:]) < 3)).mean())


def parts_outside(size: tuple[int, int], landmarks: "NDArray[np.float32]") -> frozenset[str]:
    """Names of the `VISIBLE_PARTS` that mostly lie outside a picture.

    Args:
        size: Its width and height.
        landmarks: [478, 3] in its pixels.
    """
    import numpy as np

    xy = landmarks[:, :2]
    if (xy.min(axis=0) >= 0).all() and (xy.max(axis=0) < np.array(size)).all():
        return frozenset()
    inside = np.all((xy >= 0) & (xy < np.array(size)), axis=1)
    return frozenset(
        name for name, points in VISIBLE_PARTS.items() if 1 - inside[list(points)].mean() > OUTSIDE
    )


def hides(parts: frozenset[str], au: ActionUnit) -> bool:
    """Whether hidden parts keep an action unit from being seen. One of the whole mouth needs both halves."""
    part = {"brows": "brow", "eyes": "eye"}.get(au.region, "mouth")
    sides = list(Side) if au.side is None else [au.side]
    return any(f"{side} {part}" in parts for side in sides)


def is_unseen(parts: frozenset[str]) -> bool:
    """Whether no part of a face can be seen: it is all covered, or a drawing or a texture and no face."""
    return len(parts) == len(VISIBLE_PARTS)


def mirrored_parts(parts: frozenset[str]) -> frozenset[str]:
    """The same parts where the picture is a mirror image."""
    return frozenset(f"{Side(name.split()[0]).other} {name.split()[1]}" for name in parts)


def upright(pixels: "NDArray[np.uint8]", landmarks: "NDArray[np.float32]") -> "NDArray[np.uint8]":
    """The face turned upright in the middle of [64, 64, 3]; black beyond the picture."""
    import numpy as np

    anchors = landmarks[_ANCHORS, :2].astype(np.float64)
    return _turned(pixels, anchors[:, 0] + 1j * anchors[:, 1], np.array(_ANCHORED))


def _turned(
    pixels: "NDArray[np.uint8]", found: "NDArray[np.complex128]", wanted: "NDArray[np.complex128]"
) -> "NDArray[np.uint8]":
    """The piece in which points of the picture (x + iy) come to lie where they are wanted."""
    import numpy as np
    from PIL import Image

    centre, middle = wanted.mean(), found.mean()
    turn = np.vdot(wanted - centre, found - middle) / np.vdot(wanted - centre, wanted - centre).real
    shift = middle - turn * centre
    corners = [turn * complex(a, b) + shift for a in (0, PART_CROP_SIDE) for b in (0, PART_CROP_SIDE)]
    left, top = (int(min(part(c) for c in corners)) - 2 for part in (np.real, np.imag))
    right, bottom = (int(max(part(c) for c in corners)) + 3 for part in (np.real, np.imag))
    reduction = max(1, int(abs(turn)))
    piece = Image.fromarray(_piece(pixels, left, top, right, bottom))
    if reduction > 1:
        piece = piece.reduce(reduction)
    turn, shift = turn / reduction, (shift - complex(left, top)) / reduction
    matrix = (turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag)
    return np.asarray(
        piece.transform(
            (PART_CROP_SIDE, PART_CROP_SIDE), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
    )


def _piece(pixels: "NDArray[np.uint8]", left: int, top: int, right: int, bottom: int) -> "NDArray[np.uint8]":
    """A rectangle of the picture, black beyond it."""
    import numpy as np

    height, width = pixels.shape[:2]
    x1, x2 = min(max(left, 0), width), min(max(right, 0), width)
    y1, y2 = min(max(top, 0), height), min(max(bottom, 0), height)
    inside = pixels[y1:y2, x1:x2]
    if inside.shape[:2] == (bottom - top, right - left):
        return np.ascontiguousarray(inside)
    piece = np.zeros((bottom - top, right - left, 3), np.uint8)
    piece[y1 - top : y2 - top, x1 - left : x2 - left] = inside
    return piece
