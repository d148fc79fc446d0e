"""The page of a report: tables, plots and the gallery, in one HTML file."""

from collections.abc import Iterator, Sequence
from typing import Final

from expllm.core.vocabulary import Expression
from expllm.report.audit_html import LEGEND, audited_html, marked_text
from expllm.report.evaluation.evaluated_runs import EvalRuns, ScoredRun
from expllm.report.evaluation.gallery import Gallery, GalleryItem, GalleryText
from expllm.report.evaluation.gallery_faces import GalleryFaces
from expllm.report.evaluation.paper_tables import Column, ReportTable, classes
from expllm.report.evaluation.plots_html import plots
from expllm.report.html_shell import foot, html_text, jpeg_uri, page_head

_STYLES: Final = ("report.css", "report_evaluation.css")
_MARKS: Final = (
    f'<p class="marks">Marks in the texts: {LEGEND} <b class="emotion">words for an expression</b></p>'
)


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
    told = (
        f'<p class="key">Columns marked <em>paper</em> hold published figures ({html_text(source)}); those '
        "marked <em>here</em> were computed from saved answers, with 95 % intervals in brackets.</p>"
    )
    yield page_head(title, told, _STYLES)
    names = material.names()
    yield from _alarms(material, names)
    yield from map(_sheet, tables)
    for run in material.runs:
        if run.settings.task == "cot":  # a few faces: their labels are no measurement
            continue
        yield from _run(run, names[run.settings.digest])
    if shown is not None:
        yield from _gallery(*shown)
    if left_out:
        items = "".join(f"<li>{html_text(line)}</li>" for line in left_out)
        yield f'<section class="sheet"><h2>Left out</h2><ul class="left-out">{items}</ul></section>\n'
    yield f"</main>\n{foot()}"


def _alarms(material: EvalRuns, names: dict[str, str]) -> Iterator[str]:
    for run in material.runs:
        for alarm in run.scores.alarms:
            told = html_text(f"{names[run.settings.digest]} on {run.dataset}: {alarm}")
            yield f'<p class="alarm" role="alert"><strong>Alarm:</strong> {told}</p>\n'


def _sheet(table: ReportTable) -> str:
    notes = "".join(f"<li>{html_text(note)}</li>" for note in table.notes)
    told = f'<ul class="notes">{notes}</ul>' if notes else ""
    heading = html_text(table.heading)
    return f'<section class="sheet"><h2>{heading}</h2>{_table(table, heading)}{told}</section>\n'


def _table(table: ReportTable, name: str) -> str:
    heads = "".join(f'<th scope="col">{_head(column)}</th>' for column in table.columns)
    rows = []
    for row, own in zip(table.rows, table.own, strict=True):
        cells = "".join(
            f'<td class="{column.source}">{html_text(cell)}</td>'
            for column, cell in zip(table.columns[1:], row[1:], strict=True)
        )
        rows.append(f'<tr{" class=own" if own else ""}><th scope="row">{html_text(row[0])}</th>{cells}</tr>')
    # Focusable, so that a keyboard can scroll what is wider than the window.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}"><table class="figures">'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _head(column: Column) -> str:
    source = f"<small>{column.source}</small>" if column.source else ""
    return f"{html_text(column.name)}{source}"


def _run(run: ScoredRun, name: str) -> Iterator[str]:
    heading = html_text(f"{name} on {run.dataset}")
    table = classes(run)
    yield f'<section class="sheet"><h2>{heading}</h2><h3>{table.title}</h3>'
    yield f'{_table(table, f"{heading}: classes")}<div class="plots">'
    for plot in plots(run):
        yield f'<img src="{plot.address}" alt="{html_text(plot.told)}">'
    again = html_text(f"expllm eval rescore {run.path}")
    yield f'</div><p class="notes">Computed again without the model: <code>{again}</code></p></section>\n'


def _gallery(shown: Gallery, faces: GalleryFaces) -> Iterator[str]:
    drawn = (
        f"{len(shown.exhibits)} faces of {shown.run.dataset}, sampled deterministically: round-robin over "
        "classes, by hash of the sample id."
    )
    told = html_text(f"{drawn} {faces.note}")
    yield f'<section class="sheet"><h2>Explanations of single faces</h2><p class="notes">{told}</p>'
    yield _MARKS
    for exhibit in shown.exhibits:
        yield from _exhibit(exhibit, shown.writers, faces)
    yield "</section>\n"


def _exhibit(exhibit: GalleryItem, writers: Sequence[str], faces: GalleryFaces) -> Iterator[str]:
    picture = faces.pictures.get(exhibit.id)
    seen = '<div class="blank">no picture</div>' if picture is None else (
        f'<img width="{picture.width}" height="{picture.height}" src="{jpeg_uri(picture)}" '
        f'alt="Face {html_text(exhibit.id)}">'
    )  # fmt: skip
    yield f'<article class="exhibit" style="--writers:{len(writers)}"><div class="seen">{seen}'
    yield f"<p>truth <strong>{exhibit.truth.value}</strong>{html_text(exhibit.id)}</p></div>"
    for writer in writers:
        told = next((one for one in exhibit.told if one.writer == writer), None)
        yield f'<div class="told"><h3>{html_text(writer)}</h3>'
        yield "<p>no text</p>" if told is None else _told(told, exhibit)
        yield "</div>"
    yield "</article>\n"


def _told(told: GalleryText, exhibit: GalleryItem) -> str:
    labels = _verdict("concludes", told.label, exhibit.truth)
    if told.answer is not None and told.answer is not told.label:
        labels += _verdict("asked for the label alone, it says", told.answer, exhibit.truth)
    problem = f'<p class="malformed">malformed: {html_text(told.problem)}</p>' if told.problem else ""
    text = (
        audited_html(told.cot, exhibit.aus, emotions=True)
        if told.cot
        else marked_text(told.text, exhibit.aus)
    )
    return f"{labels}{problem}{text}"


def _verdict(does: str, label: Expression | None, truth: Expression) -> str:
    if label is None:
        return '<p class="verdict wrong">\N{BALLOT X} concludes with no expression, or with several</p>'
    right = label is truth
    mark, word = ("\N{CHECK MARK}", "right") if right else ("\N{BALLOT X}", "wrong")
    return f'<p class="verdict {word}">{mark} {does} {label.value}: {word}</p>'
