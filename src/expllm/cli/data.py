"""`expllm data`: look at data sets before anything is made of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from expllm.cli import data_preview
from expllm.cli.ending import Ending, leave, listed
from expllm.cli.figures import JsonOption, print_json, print_view
from expllm.core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from expllm.data.check import Report

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
    as_json: JsonOption = False,
) -> None:
    """Say what is found, missing and unreadable in a data set, beside what was published.

    Every picture is opened. Exit code 0: it is whole; 3: something is missing or cannot be read.
    """
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
        print_json(report.to_dict())
    else:
        from expllm.cli.data_view import report_view

        print_view(report_view(report))
    if not report.is_whole:
        leave(Ending(ExitCode.SOME_INPUTS_FAILED, f"{place}: not whole: {listed(_troubles(report))}"))


def _troubles(report: "Report") -> dict[str, int]:
    """What stands in the way of a whole data set -> how often."""
    found = {
        "missing": len(report.missing), "cannot be read": len(report.unreadable),
        "classes with fewer faces than published": len(report.short),
    }  # fmt: skip
    return {what: count for what, count in found.items() if count}


data_app.command("preview", short_help="A sheet of what augmentation does to faces.")(data_preview.preview)
