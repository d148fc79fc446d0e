"""The HTML of one face: label, probabilities, explanation, bars of the action units, sources."""

from typing import TYPE_CHECKING

from expllm.core.vocabulary import AUVector
from expllm.report import rows
from expllm.report.audit_html import audited_html, marked_text
from expllm.report.html_shell import render

if TYPE_CHECKING:
    from markupsafe import Markup

    from expllm.core.records import FaceAnalysis


def face_card(analysis: "FaceAnalysis") -> "Markup":
    """The section of one face or input: everything but the picture."""
    written = analysis.explanation
    checks: list[str] = []
    if written is not None:
        checks = rows.check_texts(written.model_copy(update={"grounding": None}), analysis.expression)
    return render(
        "face.html", face=analysis, rows=rows, sentence=rows.status_text(analysis),
        probability=rows.label_probability(analysis), ranked=rows.ranked_expressions(analysis),
        intensities=rows.intensities(analysis), text=_explanation(analysis), checks=checks,
        wrong=written is not None and bool(written.problem or written.agree is False),
    )  # fmt: skip


def _explanation(analysis: "FaceAnalysis") -> "Markup | str":
    """The text with its claims marked, in its parts if it has them."""
    written, aus = analysis.explanation, analysis.aus or AUVector()
    if analysis.cot is not None:
        return audited_html(analysis.cot, aus)
    return "" if written is None or written.text is None else marked_text(written.text, aus)
