"""`/v1/vocabulary`: the action units and expressions that a server speaks of, for programs that show them."""

from typing import Literal

from expllm.core.records import Record
from expllm.core.vocabulary import ACTION_UNITS, AUSource, Expression, Side
from expllm.faces.au_reader import TRACE
from expllm.faces.pixel_reader import UnitReader
from expllm.report.rows import PAIRS, SIDELESS_UNITS


class Unit(Record):
    """An action unit, as [`faces.ActionUnit`][expllm.core.vocabulary.ActionUnit].

    Attributes:
        measured: Pictures are read for it.
    """

    name: str
    action: str
    side: Side | None
    direction: Side | None
    mirror: str
    region: str
    facs: tuple[int, ...]
    measured: bool


class UnitPair(Record):
    """Two units that views show in one row."""

    action: str
    right: str
    left: str


class Vocabulary(Record):
    """All units in their order, the rows that views show them in, and the expressions.

    Attributes:
        whole: Units without sides.
        trace: Intensity up to which a unit is not worth a word.
    """

    object: Literal["vocabulary"] = "vocabulary"
    units: tuple[Unit, ...]
    pairs: tuple[UnitPair, ...]
    whole: tuple[str, ...]
    expressions: tuple[Expression, ...]
    trace: float


def vocabulary(source: AUSource | str = AUSource.BLENDSHAPES) -> Vocabulary:
    """The vocabulary of this version, for pictures that are read from this source."""
    measured = UnitReader(source).measured
    return Vocabulary(
        units=tuple(
            Unit(
                name=unit.name, action=unit.action, side=unit.side, direction=unit.direction,
                mirror=unit.mirror, region=unit.region, facs=unit.facs, measured=unit.name in measured,
            )
            for unit in ACTION_UNITS
        ),
        pairs=tuple(UnitPair(action=action, right=right, left=left) for action, right, left in PAIRS),
        whole=SIDELESS_UNITS,
        expressions=tuple(Expression),
        trace=TRACE,
    )  # fmt: skip
