"""Blendshapes that ARKit, Live Link Face or MediaPipe print, one column each -> FEAFA units.

They are raw scores, and become action units as those of the package's own finder do: through its calibration.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from expllm.core.errors import VocabularyError
from expllm.core.vocabulary import ACTION_UNITS, AUVector

if TYPE_CHECKING:
    from expllm.faces.au_reader import BlendshapeReader

_NAMES: Final = {
    name.casefold(): name
    for name in (
        *(name for unit in ACTION_UNITS for name in unit.arkit),
        *("eyeLookDownLeft", "eyeLookDownRight"),  # a lowered gaze is no closed eye
    )
}
_SIDE: Final = re.compile(r"(.+?)[\W_]+([LR])")
_ONLY_ARKIT: Final = "tongueout"
"""MediaPipe does not measure it."""


def blendshape_columns(header: Iterable[str]) -> dict[str, str]:
    """Blendshape, as MediaPipe names it -> its column: `EyeBlinkLeft`, `eye_blink_left` and `eyeBlink_L`.

    Raises:
        VocabularyError: two columns stand for the same one.
    """
    found: dict[str, str] = {}
    for column in header:
        name = _NAMES.get(_word(column))
        if name in found:
            raise VocabularyError(f"the columns {found[name]!r} and {column!r} stand for the same blendshape")
        if name is not None:
            found[name] = column
    return found


def blendshape_tool(header: Iterable[str]) -> str:
    """What printed them, for provenance."""
    return "arkit" if _ONLY_ARKIT in map(_word, header) else "mediapipe"


def from_blendshapes(scores: Mapping[str, float]) -> AUVector:
    """FEAFA units of the scores that are known; a unit that needs another one was not measured."""
    return _reader().read_blendshapes(scores, partly=True)


def _word(column: str) -> str:
    sided = _SIDE.fullmatch(column.strip())
    name = f"{sided[1]}{'left' if sided[2] == 'L' else 'right'}" if sided else column
    return re.sub(r"[\W_]", "", name).casefold()


@cache
def _reader() -> "BlendshapeReader":
    from expllm.faces.au_reader import BlendshapeReader

    return BlendshapeReader()
