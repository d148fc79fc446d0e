"""What `expllm models list` and `expllm datasets list` print."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import RenderableType

from expllm.cli.cot_view import Narrow, text
from expllm.cli.evaluate_view import table_of
from expllm.core.licences import LicensedWeights


def weights_view(rows: Iterable[LicensedWeights]) -> RenderableType:
    """Weights, and the licence of each."""
    lines = []
    for one in rows:
        size = "" if one.bytes is None else f", {_size(one.bytes)}"
        allowed = "permissive" if one.permissive else "not permissive"
        lines.append(text(f"{one.name} ({one.kind}{size}): {one.licence}, {allowed}", "bold"))
        lines.append(text(f"  {one.does}"))
    lines.append(text("--json adds the terms, the files, and the card of each.", "dim"))
    return Narrow(tuple(lines))


def datasets_view(rows: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Data sets, and where each was found."""
    table = table_of(("name", False), ("published", True), ("found", False), ("terms", False))
    for one in rows:
        count = "-" if one["published"] is None else f"{one['published']:,}"
        table.add_row(text(one["name"]), count, text(one["path"] or "not found"), one["terms"])
    note = "docs/data.md says how to obtain each; 'expllm data check NAME ROOT' checks a copy."
    return Narrow((table, text(note, "dim")))


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"
