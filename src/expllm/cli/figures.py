"""Standard output: what a command found out, for people or as JSON for programs."""

import json
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from expllm.files.atomic import stdout_for_programs

if TYPE_CHECKING:
    from rich.console import RenderableType

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON instead: the same figures, for programs.")
]


def print_json(found: Any) -> None:
    """One line of JSON, in UTF-8 whatever the terminal's encoding is; NaN and infinity become null."""
    stdout_for_programs("backslashreplace")  # bytes of a name that are not UTF-8 become JSON's own \\udcXX
    typer.echo(json.dumps(_finite(found), ensure_ascii=False, allow_nan=False))


def print_view(view: "RenderableType") -> None:
    """Something that rich draws; a closed pipe or a full disk is an OSError, as with every other output."""
    from rich.console import Console

    console = Console()
    with console.capture() as drawn:  # written by us: on a closed pipe rich would exit with 1
        console.print(view)
    sys.stdout.write(drawn.get())
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
