"""Which action units a trained model is told of a face before it explains it."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, get_args

from expllm.core.conversations import Questions
from expllm.core.errors import UsageError
from expllm.core.licences import chosen_licence, licences_of, licensed_weights
from expllm.core.records import Hint
from expllm.core.vocabulary import AUVector

if TYPE_CHECKING:
    from expllm.faces.crop_reader import CropReader
    from expllm.predict.base import FaceInput

HINTS: Final[tuple[Hint, ...]] = get_args(Hint)
SEEING: Final = "seeing"
"""The network that reads hints from pixels, by its name in `core.licences`."""


class Hints:
    """Chooses the action units that a model is told of each face.

    Args:
        questions: The model's own: whether it was trained with hints.
        hint: What it is told; None: as it was trained.
        licence: `permissive` refuses `self`: the network's weights are for research only.

    Attributes:
        kind: What it is told.
        licences: Licence of each set of weights that is needed for that.

    Raises:
        UsageError: there is no such hint, the model was trained without, or its weights may not be used.
    """

    def __init__(self, questions: Questions, hint: Hint | None, licence: str | None = None) -> None:
        if hint is not None and hint not in HINTS:
            raise UsageError(f"the hint cannot be {hint!r}: use {', '.join(HINTS)}")
        if not questions.hint and hint in ("self", "measured"):
            raise UsageError(f"--hint {hint}: the model was trained without hints: use none, or leave it out")
        self.kind: Hint = hint or ("measured" if questions.hint else "none")
        self.licences: Mapping[str, str] = {}
        if self.kind == "self":
            self.licences = licences_of((SEEING,))
            _check_licence(licence)
        self._licence = licence

    def of(self, faces: "Sequence[FaceInput]") -> list[AUVector | None]:
        """What the model is told of each face; None where that is nothing."""
        if self.kind == "self":
            crops = [face.crop for face in faces if face.crop is not None]
            assert len(crops) == len(faces), "pixels are read where there are pixels"
            return self._reader(crops)
        return [face.aus if self.kind == "measured" else None for face in faces]

    def told(self, aus: AUVector | None) -> Hint:
        """The hint of a face that got these units."""
        return "none" if aus is None else self.kind

    @cached_property
    def _reader(self) -> "CropReader":
        from expllm.faces.crop_reader import CropReader

        return CropReader(licence=self._licence)


def _check_licence(licence: str | None) -> None:
    row = licensed_weights(SEEING)
    if chosen_licence(licence) == "permissive" and not row.permissive:
        raise UsageError(
            f"--licence permissive: --hint self reads with {SEEING}, which is {row.licence}: use --hint "
            "measured or none"
        )
