"""The HTML of one face: label, probabilities, explanation, bars of the action units, sources.

Every text that comes from outside passes through `html_text`. Bars are decoration for the eye; each
stands beside its value in a table that a screen reader reads.
"""

from html import escape
from typing import TYPE_CHECKING

from expllm.core.vocabulary import AUVector
from expllm.report import rows
from expllm.report.audit_html import audited_html, marked_text
from expllm.report.html_shell import html_text

if TYPE_CHECKING:
    from expllm.core.records import FaceAnalysis, UnitReading


def face_card(analysis: "FaceAnalysis") -> str:
    """The section of one face or input: everything but the picture."""
    sentence = rows.status_text(analysis)
    if sentence is not None:
        return _unread_card(analysis, sentence)
    probability = rows.label_probability(analysis)
    certainty = "" if probability is None else f'<span class="certainty">{_percent(probability)}</span>'
    parts = [
        '<section class="face"><div class="reading">',
        f'<h3><span class="which">{_which(analysis)}</span> '
        f'<span class="label">{html_text(rows.label_text(analysis))}</span> {certainty}</h3>',
        _probabilities(analysis),
        _explanation(analysis),
        _warnings(analysis.warnings),
        '</div><div class="units">',
        _pairs(analysis),
        _whole(analysis),
        "</div>",
        _sources(analysis),
        "</section>\n",
    ]
    return "".join(parts)


def _unread_card(analysis: "FaceAnalysis", sentence: str) -> str:
    kind = "problem" if analysis.status == "error" else "unread"
    title = analysis.status.replace("_", " ")
    which = f'<span class="which">{_which(analysis)}</span> ' if analysis.box else ""
    return (
        f'<section class="face {kind}"><h3>{which}<span class="label">{title}</span></h3>'
        f"<p>{html_text(sentence)}</p>{_warnings(analysis.warnings)}</section>\n"
    )


def _which(analysis: "FaceAnalysis") -> str:
    return html_text(rows.face_text(analysis))


def _percent(probability: float) -> str:
    return escape(rows.percent_text(probability)).replace(" ", "\N{NARROW NO-BREAK SPACE}")


def _probabilities(analysis: "FaceAnalysis") -> str:
    ranked = rows.ranked_expressions(analysis)
    if not ranked:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{html_text(expression.value)}</th><td>{_bar(value)}</td>'
        f'<td class="value">{_percent(value)}</td></tr>'
        for expression, value in ranked
    )
    return f'<table class="probabilities"><caption>Probability of each label</caption>{lines}</table>'


def _explanation(analysis: "FaceAnalysis") -> str:
    """The text with its claims marked, in its parts if it has them, and what the checks of it found."""
    cot, aus, written = analysis.cot, analysis.aus, analysis.explanation
    shown = ""
    if cot is not None:
        shown = audited_html(cot, aus or AUVector())
    elif written is not None and written.text is not None:
        shown = marked_text(written.text, aus or AUVector())
    if written is None:
        return shown
    sentences = rows.check_texts(written.model_copy(update={"grounding": None}), analysis.expression)
    wrong = " wrong" if written.problem or written.agree is False else ""
    return shown + "".join(f'<p class="checks{wrong}">{html_text(sentence)}</p>' for sentence in sentences)


def _pairs(analysis: "FaceAnalysis") -> str:
    """Right unit, action, left unit in a row; the subject's right is at the left, as in the picture."""
    lines = "".join(
        f'<tr>{_cell(analysis, right, "right")}<th scope="row">{action}</th>'
        f"{_cell(analysis, left, 'left')}</tr>"
        for action, right, left in rows.PAIRS
    )
    return (
        '<table class="pairs"><caption>Action units of each side (0-1)</caption><thead><tr>'
        '<th scope="col" class="right">subject\N{RIGHT SINGLE QUOTATION MARK}s right</th>'
        '<th scope="col"><span class="hidden">action</span></th>'
        '<th scope="col" class="left">subject\N{RIGHT SINGLE QUOTATION MARK}s left</th>'
        f"</tr></thead><tbody>{lines}</tbody></table>"
    )


def _whole(analysis: "FaceAnalysis") -> str:
    lines = "".join(
        f'<tr><th scope="row">{name}</th>{_cell(analysis, name, "whole")}</tr>'
        for name in rows.SIDELESS_UNITS
    )
    return (
        '<table class="whole-face"><caption>Action units of the whole face (0-1)</caption>'
        f"<tbody>{lines}</tbody></table>"
    )


def _cell(analysis: "FaceAnalysis", name: str, side: str) -> str:
    value = rows.intensities(analysis)[name]
    if value is None:
        return f'<td class="{side} unknown"><div><span class="words">{rows.NOT_MEASURED}</span></div></td>'
    reading = rows.reading_of(analysis, name)
    title = f' title="{escape(rows.reading_text(reading))}"' if reading else ""
    text = f'<span class="value">{rows.intensity_text(value)}</span>'
    return f'<td class="{side}"{title}><div>{_bar(value, reading)}{text}</div></td>'


def _bar(value: float, reading: "UnitReading | None" = None) -> str:
    """A bar; `value` (0-1) is its length against its track. A thin line shows how far off it may be."""
    if reading is None or reading.low is None or reading.high is None:
        return f'<span class="bar" style="--v:{value:.4g}"></span>'
    return f'<span class="bar band" style="--v:{value:.4g};--a:{reading.low:g};--b:{reading.high:g}"></span>'


def _warnings(warnings: tuple[str, ...]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{html_text(warning)}</li>" for warning in warnings)
    return f'<ul class="warnings" aria-label="Warnings">{items}</ul>'


def _sources(analysis: "FaceAnalysis") -> str:
    if analysis.provenance is None:
        return ""
    writer, sources = rows.writer_text(analysis.provenance), rows.sources_text(analysis.provenance)
    return f'<footer class="sources"><p>{html_text(writer)}</p><p>{html_text(sources)}</p></footer>'
