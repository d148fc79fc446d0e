"""`expllm eval report`: one page, and one Markdown file, of many evaluations."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from expllm.cli.ending import Ending, all_lost, leave
from expllm.cli.figures import JsonOption, print_json
from expllm.cli.options import AbstainOption, DataRootOption
from expllm.core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from expllm.report.evaluation.evaluation_report import WrittenReport

_Shown = Literal["blur", "show", "none"]


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of 'expllm eval', of any kind.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.html", help="The page; tables go to FILE.md.")
    ] = Path("report.html"),
    title: Annotated[str | None, typer.Option("--title", help="Heading of the page.")] = None,
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", min=0, help="Maximum number of faces in the gallery.")
    ] = 8,
    faces: Annotated[
        _Shown,
        typer.Option("--faces", help="Faces of the gallery; show them only if their licence allows it."),
    ] = "blur",
    abstain: AbstainOption = None,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put evaluations beside the paper's tables: one HTML page, and the same tables as Markdown.

    Everything is computed from saved answers; no model is loaded. Data sets are needed only for the faces
    of the gallery, which are blurred: no data set that ExpLLM knows allows its faces to be redistributed.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(
            f"cannot write {output}: the report is an HTML page: choose a name that ends in .html"
        )
    from expllm.report.evaluation.evaluated_runs import read_runs
    from expllm.report.evaluation.evaluation_report import TITLE, write_report
    from expllm.report.evaluation.markdown import is_our_markdown

    if not is_our_markdown(tables := output.with_suffix(".md")):
        raise UsageError(f"{tables} is another document, which the tables would overwrite: choose another -o")
    material = read_runs(runs, abstain)
    written = write_report(
        material, output, title=title or TITLE, samples=samples, faces=faces, root=data_root
    )
    _print(written, len(material.runs) + len(material.ablations), as_json)
    empty = [str(run.path) for run in material.runs if all_lost(run.answers)]
    if empty:
        line = f"no face has an answer in {', '.join(empty)}"
        leave(Ending(ExitCode.SOME_INPUTS_FAILED, line))


def _print(written: "WrittenReport", runs: int, as_json: bool) -> None:
    size = written.page.stat().st_size
    if as_json:
        print_json({
            "page": str(written.page), "bytes": size, "tables": str(written.tables), "runs": runs,
            "left_out": list(written.left_out),
        })  # fmt: skip
        return
    typer.echo(f"{written.page}: {size / 1e6:.1f} MB, opens in any browser, offline")
    typer.echo(f"{written.tables}: the tables as Markdown")
    for line in written.left_out:
        typer.echo(f"left out: {line}")
