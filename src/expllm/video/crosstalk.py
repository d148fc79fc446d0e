"""Events that may be the reading of another movement: of the other side of the face, or of one beside it.

A reader that sees one corner of the mouth rise reads a third of it on the other side as well, and one that
sees a jaw drop reads lips that move. Such a reading is a copy: it comes and goes with the other, and is much
weaker.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from expllm.core.vocabulary import AU_BY_NAME, AU_NAMES
from expllm.video.events import BLINK, Event, Flag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COPY: Final = 0.5
"""Share of the other event's peak below which an event may be its copy. Smiles of one side only, on seven
rendered heads, read 0.14 to 0.38 of it on the other side; those of 0.9 and 0.4 read 0.45 to 0.82."""

PARALLEL: Final = 0.7
"""Correlation of the two curves from which an event runs parallel to another."""

_AROUND: Final = 0.15
"""Seconds before and after an event that count for that, too."""


def with_copies_flagged(
    events: Sequence[Event], times: "NDArray[np.float64]", change: "NDArray[np.float32]"
) -> list[Event]:
    """The events of one person, those that may be copies flagged `mirrored` or `beside`.

    Args:
        times: [n] seconds.
        change: [n, units] intensities above rest.
    """
    curves = _Curves(times, change)
    return [_flagged(event, events, curves) for event in events]


def _flagged(event: Event, events: Sequence[Event], curves: "_Curves") -> Event:
    found: dict[Flag, None] = {}
    for other in events:
        kind = _kind(event, other)
        if kind is not None and (
            curves.correlation(event, other) >= PARALLEL or (kind == "beside" and _is_passing(event, other))
        ):
            found[kind] = None
    return event.flagged(*found)


def _kind(event: Event, other: Event) -> Flag | None:
    """What an event would be, were it a copy of the other; None where it cannot be one."""
    if BLINK in (event.unit, other.unit) or not other.trusted or event.peak >= COPY * other.peak:
        return None
    if min(event.offset, other.offset) <= max(event.onset, other.onset):
        return None
    unit, beside = AU_BY_NAME[event.unit], AU_BY_NAME[other.unit]
    if unit.action == beside.action:
        return "mirrored"
    return "beside" if {unit.region, beside.region} <= {"mouth", "jaw"} else None


def _is_passing(event: Event, other: Event) -> bool:
    """Whether an event is one of the brief shapes that lips pass through as a jaw opens and closes."""
    inside = event.onset >= other.onset - _AROUND and event.offset <= other.offset + _AROUND
    return inside and "brief" in event.flags


class _Curves:
    """What each unit does above rest."""

    def __init__(self, times: "NDArray[np.float64]", change: "NDArray[np.float32]") -> None:
        self._times, self._change = times, change

    def correlation(self, event: Event, other: Event) -> float:
        """Of two units, while an event lasts; 0 where one of them stands still."""
        import numpy as np

        near = (self._times >= event.onset - _AROUND) & (self._times <= event.offset + _AROUND)
        a, b = (self._change[near, AU_NAMES.index(one.unit)] for one in (event, other))
        known = ~np.isnan(a) & ~np.isnan(b)
        if known.sum() < 3 or not a[known].std() or not b[known].std():
            return 0.0
        return float(np.corrcoef(a[known], b[known])[0, 1])
