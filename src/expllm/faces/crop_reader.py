"""Action units of a face that was cut out, read from its pixels alone: no landmarks, no MediaPipe."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from expllm.core.licences import check_licence
from expllm.core.vocabulary import AUSource, AUVector
from expllm.faces.pixel_reader import READ_WITH, UnitReader
from expllm.faces.unit_network import CHANNELS, DEAD_CHANNELS, FaceNet, Seen, face_net

if TYPE_CHECKING:
    from PIL import Image

WEIGHTS: Final = READ_WITH[AUSource.PIXELS]
"""Weights that it needs, by the names of `core.licences`."""


class CropReader:
    """Reads the action units of faces that were cut out.

    The network reads MediaPipe's scores beside the units of FACS, so both sources of
    [`UnitReader`][expllm.faces.pixel_reader.UnitReader] come from the pixels here, sides included.

    Args:
        source: Which reading of a picture it stands for.
        licence: `permissive` refuses: the network's weights are for research only.
        net: The network; the one that ships when None.

    Raises:
        UsageError: only permissive weights are allowed.
    """

    def __init__(
        self,
        source: AUSource | str = AUSource.BOTH,
        *,
        licence: str | None = None,
        net: FaceNet | None = None,
    ) -> None:
        check_licence(licence, *WEIGHTS)
        self._reader, self._given = UnitReader(source, licence=licence), net

    @cached_property
    def _net(self) -> FaceNet:
        return self._given or face_net()

    def __call__(self, crops: "Sequence[Image.Image]") -> list[AUVector | None]:
        """The action units of each face; None where the network doubts that it can read the face.

        Args:
            crops: Faces as `faces.crops` cuts them out, of any size and mode.
        """
        return self.of(self._net(crops))

    def of(self, seen: Seen) -> list[AUVector | None]:
        """The same, from what the network saw."""
        table = self._reader.table
        still = dict.fromkeys(DEAD_CHANNELS, 0.0)
        read: list[AUVector | None] = []
        for units, channels, clear in zip(seen.units, seen.channels, seen.clear, strict=True):
            scores = still | dict(zip(CHANNELS, channels.tolist(), strict=True))
            known = clear >= table.least_clear
            read.append(self._reader.of(scores, table.intensities(units)) if known else None)
        return read
