"""Puts a report together: what there is material for, and what is left out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.files.atomic import whole_file
from expllm.report.evaluation.ablation_tables import ablation_tables
from expllm.report.evaluation.evaluated_runs import EvalRuns
from expllm.report.evaluation.evaluation_page import page
from expllm.report.evaluation.explanation_tables import text_tables
from expllm.report.evaluation.gallery import Gallery, gallery
from expllm.report.evaluation.gallery_faces import GalleryFaces, Shown, open_faces
from expllm.report.evaluation.markdown import tables_markdown
from expllm.report.evaluation.paper_tables import ReportTable, accuracy_tables, overview, published

TITLE: Final = "ExpLLM: evaluation"

_NEEDS: Final = {
    "I": "accuracy on data sets: give runs of 'expllm eval accuracy'",
    "II": "accuracy across data sets: give runs of 'expllm eval transfer'",
    "III": "Exp-CoT score: give runs of 'expllm eval cot' with a judge",
    "IV": "ratios of labels and explanations: give a folder of 'expllm eval ablate'",
    "V": "parts of the training: give a folder of 'expllm eval ablate'",
}
"""What each of the paper's tables is made of."""


@dataclass(frozen=True)
class WrittenReport:
    """What was written.

    Attributes:
        page: The HTML file.
        tables: The Markdown file beside it.
        left_out: Sentences about what is not there.
    """

    page: Path
    tables: Path
    left_out: tuple[str, ...]


def write_report(
    material: EvalRuns,
    out: Path,
    *,
    title: str = TITLE,
    samples: int = 8,
    faces: Shown = "blur",
    root: str | None = None,
) -> WrittenReport:
    """Writes the page, and the tables as Markdown beside it.

    Args:
        material: The runs.
        out: The HTML file; the Markdown file has its name and ends with `.md`.
        title: The heading of both.
        samples: Faces in the gallery, at most.
        faces: Whether faces are blurred, shown or left out.
        root: Where data sets lie; by default as for `expllm eval`.

    Raises:
        OutputError: a file cannot be written.
    """
    tables = [*accuracy_tables(material), *text_tables(material), *ablation_tables(material)]
    tables += [overview(material)] if material.runs else []
    shown = _shown(material, samples, faces, root)
    left_out = tuple(_left_out(tables, shown is not None, samples))
    source = published()["source"]
    beside = out.with_suffix(".md")
    with whole_file(out) as file:
        for piece in page(title, tables, material, shown, left_out, source):
            file.write(piece)
    with whole_file(beside) as file:
        file.write(tables_markdown(title, tables, left_out, source))
    return WrittenReport(out, beside, left_out)


def _shown(
    material: EvalRuns, samples: int, faces: Shown, root: str | None
) -> tuple[Gallery, GalleryFaces] | None:
    found = gallery(material, samples)
    if found is None:
        return None
    ids = [exhibit.id for exhibit in found.exhibits]
    return found, open_faces(found.run.settings, ids, faces, root)


def _left_out(tables: list[ReportTable], shown: bool, samples: int) -> Iterator[str]:
    keys = {table.key for table in tables}
    for key, needs in _NEEDS.items():
        if key not in keys:
            yield f"Table {key}, {needs}"
    if not shown and samples:
        yield "The gallery of faces with their texts: give a run of 'expllm eval cot'"
