"""The shape of a face's rigid parts: twenty distances, to tell apart the few faces of one video.

No embedding of an identity: it tells which of two faces that met is which, for seconds, and cannot find a
person among many. It is never written into results.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from expllm.faces.landmarks import Face

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PAIRS: Final = (
    (33, 133), (263, 362), (33, 263), (133, 362), (33, 362), (133, 263),  # corners of the eyes
    (168, 6), (168, 4), (6, 4), (4, 2), (129, 358), (98, 327),  # the nose
    (33, 4), (263, 4), (133, 129), (362, 358), (33, 168), (263, 168),
    (127, 356), (10, 168),  # temples and forehead
)  # fmt: skip
"""Pairs of landmarks between which bone does not let the distance change much."""

BLEND: Final = 0.1
"""Weight of a new frame in the running shape of a face."""


@dataclass(frozen=True, eq=False)
class FaceShape:
    """Logarithms of the distances [20], less their mean: the size of the face does not count."""

    values: "NDArray[np.float32]"

    def blended(self, new: "FaceShape") -> "FaceShape":
        """This shape, moved a little towards a new sight of it."""
        return FaceShape((1 - BLEND) * self.values + BLEND * new.values)


def shape_of(face: Face) -> FaceShape:
    """The shape of a face with landmarks."""
    import numpy as np

    assert face.landmarks is not None
    ends = np.array(_PAIRS)
    lengths = np.linalg.norm(face.landmarks[ends[:, 0]] - face.landmarks[ends[:, 1]], axis=1)
    logs = np.log(np.maximum(lengths, 1e-6))
    return FaceShape((logs - logs.mean()).astype(np.float32))


def difference(one: FaceShape, other: FaceShape) -> float:
    """How unlike two shapes are: the root mean square of their differences."""
    import numpy as np

    return float(np.sqrt(np.mean((one.values - other.values) ** 2)))
