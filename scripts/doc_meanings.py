"""What the rules may say that a movement means, as tables, from ``assets/words/meanings.toml``."""

import re
from collections.abc import Iterator, Mapping

from expllm.core.vocabulary import Expression
from expllm.cot.words import word_tables
from expllm.cot.words.word_tables import Meaning


def meanings() -> str:
    """Each movement, alone and beside others: what it speaks for, on whose word."""
    lines = [
        "| movement | beside | speaks for | said to be seen in, for example | sources |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, movement in word_tables.meanings().items():
        for row in (movement.alone, *movement.beside):
            lines.append(_row(name if row is movement.alone else "", row))
    return "\n".join(lines)


def combinations() -> str:
    """Pairs of movements that mean something together."""
    lines = ["| together | speak for | sources |", "| --- | --- | --- |"]
    for pair in word_tables.combinations():
        lines.append(f"| {' + '.join(pair.movements)} | {pair.expression} | {' '.join(pair.sources)} |")
    return "\n".join(lines)


def sources() -> str:
    """What the keys of the other tables stand for."""
    return "\n".join(f"* **{key}**: {text}." for key, text in word_tables.sources().items())


def _row(name: str, row: Meaning) -> str:
    note = f": {row.note}" if row.note else ""
    cited = f"{' '.join(row.sources)}{note}"
    return f"| {name} | {row.when} | {_weights(row.speaks)} | {', '.join(_examples(row))} | {cited} |"


def _weights(speaks: Mapping[Expression, float] | None) -> str:
    return ", ".join(f"{label} {weight:g}" for label, weight in (speaks or {}).items())


def _examples(row: Meaning) -> Iterator[str]:
    """The first alternative of each wording."""
    for wording in row.may:
        yield re.sub(r"<([^<>|]*)\|[^<>]*>", r"\1", wording)
