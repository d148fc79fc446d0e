"""The tables of the writer by rules, from ``assets/words``: names, meanings with their sources, frames."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from expllm.core.vocabulary import Expression


@dataclass(frozen=True)
class Words:
    """How a movement is named; the fields are explained in ``movements.toml``."""

    part: str
    clauses: tuple[str, ...]
    nouns: tuple[str, ...]
    states: tuple[str, ...]
    where: str
    how: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Meaning:
    """What a movement may mean, alone or in one company; the fields are explained in ``meanings.toml``.

    Attributes:
        when: The company: a movement, or ``"one-sided"``; empty for the movement by itself.
        speaks: Evidence for each expression; None where the company changes nothing.
        may: Wordings of what it is often seen in.
        sources: Keys of `sources`.
        note: What these say, in a few words.
    """

    when: str
    speaks: Mapping[Expression, float] | None
    may: tuple[str, ...]
    sources: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class MovementMeaning:
    """Everything on one movement: by itself, how much it tells, and in company."""

    alone: Meaning
    weight: float
    beside: tuple[Meaning, ...]

    def among(self, company: Sequence[str]) -> Meaning:
        """What it may mean beside these movements."""
        return next((row for row in self.beside if row.when in company), self.alone)

    def evidence(self, company: Sequence[str]) -> Mapping[Expression, float]:
        """What it speaks for beside these movements."""
        rows = (row.speaks for row in self.beside if row.when in company and row.speaks is not None)
        return next(rows, self.alone.speaks or {})


@dataclass(frozen=True)
class Combination:
    """Two movements that mean something together, but not beside the movement `unless`."""

    movements: tuple[str, str]
    unless: str
    expression: Expression
    says: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class UsualSign:
    """A movement that is usual in an expression.

    Attributes:
        nouns: Its names, and whether each is plural: "lowering of the {brows}", "lowered {brows}".
    """

    movement: str
    nouns: tuple[tuple[str, bool], ...]
    sources: tuple[str, ...]


@cache
def part_names() -> Mapping[str, tuple[str, ...]]:
    """Part of the face -> its names, each for one and for several."""
    return {name: tuple(names) for name, names in _table("movements")["parts"].items()}


@cache
def degrees() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Degree -> its adjectives and adverbs."""
    rows = _table("movements")["degrees"]
    return {degree: {kind: tuple(words) for kind, words in row.items()} for degree, row in rows.items()}


@cache
def movements() -> Mapping[str, Words]:
    """Movement -> how it is named."""
    return {name: _words(row) for name, row in _table("movements")["movements"].items()}


@cache
def meanings() -> Mapping[str, MovementMeaning]:
    """Movement -> what it may mean."""
    return {name: _movement_meaning(row) for name, row in _table("meanings")["movements"].items()}


@cache
def combinations() -> tuple[Combination, ...]:
    """Pairs of movements that mean something together."""
    return tuple(
        Combination(
            movements=(row["of"][0], row["of"][1]),
            unless=row.get("unless", ""),
            expression=Expression(row["expression"]),
            says=tuple(row["says"]),
            sources=_sources(row),
        )
        for row in _table("meanings")["combinations"]
    )


@cache
def usual_signs() -> Mapping[Expression, tuple[UsualSign, ...]]:
    """Expression -> what is usual in it, the most telling first."""
    return {
        Expression(label): tuple(UsualSign(row["movement"], _nouns(row), _sources(row)) for row in rows)
        for label, rows in _table("meanings")["signs"].items()
    }


@cache
def sources() -> Mapping[str, str]:
    """Key -> what was published."""
    return dict(_table("meanings")["sources"])


@cache
def frames(part: str) -> Mapping[str, tuple[str, ...]]:
    """The sentences with gaps of one part of ``frames.toml``, by what they are for."""
    return {name: tuple(rows) for name, rows in _table("frames")[part].items()}


@cache
def _table(name: str) -> dict[str, Any]:
    text = files("expllm").joinpath("assets", "words", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _words(row: Mapping[str, Any]) -> Words:
    return Words(
        part=row["part"],
        clauses=tuple(row["clause"]),
        nouns=tuple(row["noun"]),
        states=tuple(row["state"]),
        where=row.get("where", "on the {}"),
        how={degree: tuple(adverbs) for degree, adverbs in row.get("how", {}).items()},
    )


def _movement_meaning(row: Mapping[str, Any]) -> MovementMeaning:
    alone = _meaning(row)
    beside = tuple(_meaning(other, alone) for other in row.get("beside", ()))
    return MovementMeaning(alone, row.get("weight", 1.0), beside)


def _meaning(row: Mapping[str, Any], alone: Meaning | None = None) -> Meaning:
    speaks = row.get("speaks")
    return Meaning(
        when=row.get("when", ""),
        speaks=None if speaks is None else {Expression(name): weight for name, weight in speaks.items()},
        may=tuple(row["may"]) if "may" in row or alone is None else alone.may,
        sources=_sources(row),
        note=row.get("note", ""),
    )


def _nouns(row: Mapping[str, Any]) -> tuple[tuple[str, bool], ...]:
    return (*((noun, False) for noun in row["noun"]), *((noun, True) for noun in row["plural"]))


def _sources(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row["source"]).split())
