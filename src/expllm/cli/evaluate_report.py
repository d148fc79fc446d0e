"""`expllm eval report`: one page, and one Markdown file, of many evaluations."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

import typer

from expllm.cli.ending import Ending, all_lost, leave
from expllm.cli.figures import JsonOption, print_json
from expllm.core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from expllm.report.evaluation.evaluation_report import Report

Shown = Literal["blur", "show", "none"]


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of 'expllm eval', of any kind.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.html", help="The page; tables go to FILE.md.")
    ] = Path("report.html"),
    title: Annotated[str | None, typer.Option("--title", help="Heading of the page.")] = None,
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", min=0, help="Faces in the gallery, at most.")
    ] = 8,
    faces: Annotated[
        str,
        typer.Option("--faces", metavar="blur|show|none", help="Show faces only if their licence allows it."),
    ] = "blur",
    abstain: Annotated[
        float | None,
        typer.Option("--abstain", metavar="P", min=0.0, max=1.0, help="Also count answers from P only."),
    ] = None,
    data_root: Annotated[
        str | None,
        typer.Option(
            "--data-root", metavar="DIR", help="Where data sets lie; else EXPLLM_DATA, the settings file."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put evaluations beside the paper's tables: one HTML page, and the same tables as Markdown.

    Everything is computed from saved answers; no model is needed. The data sets are needed for the faces of
    the gallery only, which are blurred: no data set that ExpLLM knows allows to pass its faces on.
    """
    if faces not in get_args(Shown):
        raise UsageError(f"--faces is {faces!r}: use blur, show or none")
    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"cannot write {output}: the report is a page; end its name with .html")
    from expllm.report.evaluation.evaluated_runs import read
    from expllm.report.evaluation.evaluation_report import TITLE, write_report
    from expllm.report.evaluation.markdown import is_ours

    if not is_ours(tables := output.with_suffix(".md")):
        raise UsageError(f"{tables} is another document: the tables would overwrite it; give -o another name")
    material = read(runs, abstain)
    written = write_report(
        material, output, title=title or TITLE, samples=samples, faces=cast(Shown, faces), root=data_root
    )
    _print(written, len(material.runs) + len(material.ablations), as_json)
    empty = [str(run.path) for run in material.runs if all_lost(run.answers)]
    if empty:
        line = f"not one face has an answer in {', '.join(empty)}"
        leave(Ending(ExitCode.SOME_INPUTS_FAILED, line))


def _print(written: "Report", runs: int, as_json: bool) -> None:
    size = written.page.stat().st_size
    if as_json:
        print_json({
            "page": str(written.page), "bytes": size, "tables": str(written.tables), "runs": runs,
            "left_out": list(written.left_out),
        })  # fmt: skip
        return
    typer.echo(f"{written.page}: {size / 1e6:.1f} MB, opens in any browser, without a network")
    typer.echo(f"{written.tables}: the tables as Markdown")
    for line in written.left_out:
        typer.echo(f"left out: {line}")
