"""The generated tables on servers that speak OpenAI's chat protocol."""

from collections.abc import Iterable

from doc_parts import table

from expllm.chat.dialects import DIALECTS, OTHER_DIALECT, Dialect

ROWS = (*DIALECTS, OTHER_DIALECT)


def dialects() -> str:
    """How each server is recognised, and where it puts what."""
    heads = ("server", "recognised by", "token limit", "error code and message", "reasoning")
    rows = [(row.name, _place(row), f"`{row.limit}`", row.errors, _code(row.reasoning)) for row in ROWS]
    return table(heads, rows)


def errors_of_one() -> str:
    """What servers say where one request is in trouble."""
    rows = [
        (row.name, _code(row.context), _code(row.filtered)) for row in ROWS if row.context or row.filtered
    ]
    return table(("server", "too long for the context", "filter or moderation"), rows)


def errors_of_all() -> str:
    """What servers say where every request is."""
    heads = ("server", "no credit or quota", "no such model", "key", "takes no images")
    rows = [(row.name, _credit(row), _code(row.model), _code(row.key), _code(row.pictures)) for row in ROWS]
    return table(heads, [row for row in rows if any(row[1:])])


def _credit(row: Dialect) -> str:
    passing = f"; {_code(row.throttled)} is a limit that passes there" if row.throttled else ""
    return _code(row.credit) + passing


def _place(row: Dialect) -> str:
    port = () if row.port is None else (f"port {row.port}",)
    key = () if row.key_header == "Authorization" else (f"the key goes into `{row.key_header}`",)
    return "; ".join([", ".join([*(f"`{host}`" for host in row.hosts), *port]) or "-", *key])


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`` {word} ``" if "`" in word else f"`{word}`" for word in words)
