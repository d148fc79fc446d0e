"""FACS units without sides <-> FEAFA units with sides, and the tools that print the former."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from expllm.core.vocabulary import ACTION_UNITS, AU_NAMES, AUVector

OPENFACE_FULL_SCALE: Final = 5.0
"""OpenFace 2 writes intensities on FACS' five-step scale."""

OPENFACE3_UNITS: Final = (1, 2, 4, 6, 9, 12, 25, 26)
"""What the eight numbers of OpenFace 3 stand for: its training takes these of DISFA's twelve, by their places
among the file names in alphabetical order (AU1, AU12, AU15, ...), which has misled other lists of them."""


@dataclass(frozen=True)
class Tool:
    """A tool that prints FACS units, one column each.

    Attributes:
        source: Its name in provenance.
        title: Its name in messages.
        column: What its columns of intensities look like; the group is the FACS number.
        full_scale: The strongest intensity.
    """

    source: str
    title: str
    column: re.Pattern[str]
    full_scale: float

    def columns(self, header: Iterable[str]) -> dict[int, str]:
        """FACS number -> column, of the columns that are there."""
        found = ((self.column.fullmatch(name), name) for name in header)
        return {int(match[1]): name for match, name in found if match}


_UNMARKED: Final = re.compile(r"(?:(?i:AU)|AU_)(\d{1,2})")
"""Not `au_1`: so LibreFace calls the mere presence of a unit."""

OPENFACE2: Final = Tool("openface2", "OpenFace 2", re.compile(r"(?i:AU)(\d\d)_(?i:r)"), OPENFACE_FULL_SCALE)
OPENFACE3: Final = Tool("openface3", "OpenFace 3", _UNMARKED, 1.0)
PYFEAT: Final = Tool("py-feat", "py-feat", _UNMARKED, 1.0)
LIBREFACE: Final = Tool("libreface", "LibreFace", re.compile(r"(?i:au)_(\d{1,2})_(?i:intensity)"), 5.0)


def unit_columns(header: Iterable[str]) -> dict[str, str]:
    """FEAFA unit -> the column that has its name; case, blanks, `_` and R's dots do not count."""
    canonical = {" ".join(re.sub(r"[_.]", " ", name).split()).casefold(): name for name in header}
    return {name: canonical[name] for name in AU_NAMES if name in canonical}


def from_facs(intensities: Mapping[int, float]) -> AUVector:
    """FEAFA units from FACS units without sides: the strongest of the FACS units that a unit stands for."""
    given = {
        au.name: [intensities[number] for number in au.facs if number in intensities]
        for au in ACTION_UNITS
        if au.direction is None  # FACS 30 does not say which way the jaw slides
    }
    return AUVector({name: max(values) for name, values in given.items() if values})


def to_facs(aus: AUVector) -> dict[int, float | None]:
    """FACS units from FEAFA units: the stronger side; None where no unit of that number was measured."""
    result: dict[int, float | None] = {}
    for au in ACTION_UNITS:
        value = aus[au.name]
        for number in au.facs:
            known = result.get(number)
            result[number] = value if known is None else known if value is None else max(known, value)
    return result
