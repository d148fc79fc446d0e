"""The page of a report: tables, plots and the gallery, in one HTML file."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from expllm.core.vocabulary import AUVector
from expllm.report.audit_html import audited_html, marked_text
from expllm.report.evaluation.evaluated_runs import EvalRuns, ScoredRun
from expllm.report.evaluation.gallery import Gallery, GalleryText
from expllm.report.evaluation.gallery_faces import GalleryFaces
from expllm.report.evaluation.paper_tables import ReportTable, classes
from expllm.report.evaluation.plots_html import plots
from expllm.report.html_shell import foot, jpeg_uri, page_head, page_template, render

if TYPE_CHECKING:
    from markupsafe import Markup

_STYLES: Final = ("report.css", "report_evaluation.css")


def page(
    title: str,
    tables: Sequence[ReportTable],
    material: EvalRuns,
    shown: tuple[Gallery, GalleryFaces] | None,
    left_out: Sequence[str],
    source: str,
) -> Iterator[str]:
    """The page in pieces.

    Args:
        title: Its heading.
        tables: In their order.
        material: The runs, of which each gets its classes and plots.
        shown: The gallery and its faces.
        left_out: Sentences about what is not there.
        source: Where the paper's figures come from.
    """
    names = material.names()

    def run_name(run: ScoredRun) -> str:
        return f"{names[run.settings.digest]} on {run.dataset}"

    gallery, faces = shown or (None, None)
    return page_template("evaluation.html").generate(
        head=page_head(title, render("sources.html", source=source), _STYLES), foot=foot(),
        runs=material.runs, run_name=run_name, tables=tables, classes=classes, plots=plots,
        gallery=gallery, faces=faces, jpeg_uri=jpeg_uri, audited=_audited, left_out=left_out,
    )  # fmt: skip


def _audited(told: GalleryText, aus: AUVector) -> "Markup":
    return audited_html(told.cot, aus, emotions=True) if told.cot else marked_text(told.text, aus)
