"""Action units of a face that was cut out, read from its pixels alone: no landmarks, no MediaPipe."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from expllm.core.licences import check_licence
from expllm.core.vocabulary import AU_BY_NAME, AUSource, AUVector
from expllm.faces.pixel_reader import READ_WITH, UnitReader
from expllm.faces.unit_network import CHANNELS, DEAD_CHANNELS, FaceNet, Seen, face_net

if TYPE_CHECKING:
    from PIL import Image

LEAST_CLEAR: Final = 0.001
"""Below it no face is read: of a face blurred by 6 % of its side the network says 0.0003. Beneath what the
table of sources asks for (`least_clear`) only MediaPipe's scores are believed, which the network learned on
turned and half-covered faces, too."""
LEAST: Final[Mapping[str, float]] = MappingProxyType(
    {"chin raise": 0.1, "jaw drop": 0.07, "lid raise": 0.16, "lower lip depress": 0.1}
)
"""Readings of an action up to here are read as nothing: of those just below, fewer than half were measured as
movements too (`scripts/measure_hints.py --limit 900 --fit`, FER+ train). Other actions: `au_reader.TRACE`.
Chosen before turned faces were read as well; with them the command gives 0.1 for the jaw and 0.2 for lids."""
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
        least: By action, up to which reading nothing is believed.

    Raises:
        UsageError: only permissive weights are allowed.
    """

    def __init__(
        self,
        source: AUSource | str = AUSource.BOTH,
        *,
        licence: str | None = None,
        net: FaceNet | None = None,
        least: Mapping[str, float] = LEAST,
    ) -> None:
        check_licence(licence, *WEIGHTS)
        self._reader, self._given = UnitReader(source, licence=licence), net
        self._least = least

    @cached_property
    def _net(self) -> FaceNet:
        return self._given or face_net()

    def __call__(self, crops: "Sequence[Image.Image]") -> list[AUVector | None]:
        """The action units of each face; None where the network cannot read it at all.

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
            known = table.intensities(units) if clear >= table.least_clear else {}
            read.append(self._believed(self._reader.of(scores, known)) if clear >= LEAST_CLEAR else None)
        return read

    def _believed(self, aus: AUVector) -> AUVector:
        """The units without those readings that are more often wrong than right."""
        least = {name: self._least.get(AU_BY_NAME[name].action, 0.0) for name in aus}
        weak = {name: 0.0 for name, value in aus.items() if value is not None and value <= least[name]}
        return AUVector({**aus, **weak})
