"""`expllm data`: look at data sets before anything is made of them."""

from pathlib import Path
from typing import Annotated

import typer

from expllm.cli import data_preview
from expllm.errors import ExitCode, UsageError

data_app = typer.Typer(
    help="Look at data sets: are they whole, and what would training see of them?",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@data_app.command("check", short_help="What is found, missing and unreadable in a data set.")
def check(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="rafdb, affectnet7, affectnet8, expw, ferplus, fer2013, ckplus, jaffe, kdef, yolo, "
            "cc3m (captions), parquet, reference, released, folder, csv or aus. [default: what ROOT "
            "looks like]",
        ),
    ] = None,
    root: Annotated[
        str | None, typer.Argument(metavar="ROOT", help="Where it lies; 'ROOT:SPLIT' looks at one split.")
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Open no picture.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All that was found, as JSON.")] = False,
) -> None:
    """Say what is found, missing and unreadable in a data set, beside what was published.

    Every picture is opened. Exit code 0: it is whole; 3: something is missing or cannot be read.
    """
    import json

    from expllm.data import KINDS
    from expllm.data.about import CAPTIONS
    from expllm.data.check import check as look_through

    kinds = (*KINDS, CAPTIONS)
    kind, place = (None, name) if root is None else (name, root)
    if kind not in (None, *kinds):
        raise UsageError(f"no data set is called {kind!r}: there are {', '.join(kinds)}")
    if place is None or (kind is None and place in kinds and not Path(place).exists()):
        raise UsageError(f"give its folder or file: expllm data check {place or '[NAME]'} ROOT")
    report = look_through(kind, place, fast=fast)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        from rich.console import Console

        from expllm.cli.data_view import report_view

        Console().print(report_view(report))
    raise typer.Exit(ExitCode.DONE if report.is_whole else ExitCode.SOME_INPUTS_FAILED)


data_app.command("preview", short_help="A sheet of what augmentation does to faces.")(data_preview.preview)
