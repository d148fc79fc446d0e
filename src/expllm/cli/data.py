"""`expllm data`: look at data sets before anything is made of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from expllm.cli import data_preview
from expllm.cli.command import Command, new_group
from expllm.cli.ending import Ending, leave, listed
from expllm.cli.figures import JsonOption, print_json, print_view
from expllm.core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from expllm.data.check import CheckReport

data_app = new_group("Check data sets, and preview augmentation.")


@data_app.command(
    "check", cls=Command, short_help="List what is found, missing and unreadable in a data set."
)
def check_command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="rafdb, affectnet7, affectnet8, expw, ferplus, fer2013, ckplus, jaffe, kdef, yolo, "
            "cc3m (captions), parquet, reference, released, folder, csv or aus. [default: "
            "detected]",
        ),
    ] = None,
    root: Annotated[
        str | None, typer.Argument(metavar="ROOT", help="Its folder or file; ROOT:SPLIT checks one split.")
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Do not open images.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List what is found, missing and unreadable in a data set, beside the published counts.

    Every image is opened. Exit code 0: the data set is complete; 3: something is missing or unreadable.
    """
    from expllm.data import DATASET_KINDS
    from expllm.data.about import CAPTIONS
    from expllm.data.check import check_dataset as look_through

    kinds = (*DATASET_KINDS, CAPTIONS)
    kind, place = (None, name) if root is None else (name, root)
    if kind not in (None, *kinds):
        raise UsageError(f"unknown kind of data set {kind!r}: use {', '.join(kinds)}")
    if place is None or (kind is None and place in kinds and not Path(place).exists()):
        raise UsageError(f"give its folder or file: expllm data check {place or '[NAME]'} ROOT")
    report = look_through(kind, place, fast=fast)
    if as_json:
        print_json(report.to_dict())
    else:
        from expllm.cli.data_view import report_view

        print_view(report_view(report))
    if not report.is_whole:
        leave(Ending(ExitCode.SOME_INPUTS_FAILED, f"{place}: incomplete: {listed(_troubles(report))}"))


def _troubles(report: "CheckReport") -> dict[str, int]:
    """What stands in the way of a whole data set -> how often."""
    found = {
        "missing": len(report.missing), "cannot be read": len(report.unreadable),
        "classes with fewer faces than published": len(report.short),
    }  # fmt: skip
    return {what: count for what, count in found.items() if count}


data_app.command("preview", cls=Command, short_help="Draw a contact sheet of augmented faces.")(
    data_preview.preview
)
