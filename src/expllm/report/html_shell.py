"""Shared parts of HTML pages: head, caution, foot, style; escaping and embedded images.

A page asks no server for anything: its policy forbids it, and pictures stand in it as text.
"""

import base64
import io
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from expllm import __version__
from expllm.core.errors import one_line

if TYPE_CHECKING:
    from PIL import Image

_CSP: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
_HEAD: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{csp}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">
<title>{title}</title><style>
{style}</style></head><body>
<header class="masthead"><p class="kicker">ExpLLM report</p><h1>{title}</h1>
<div class="caution" role="note"><p><strong>An estimate of what a face shows, not of what a person
feels.</strong> Action units and labels are measured on one picture; lighting, pose, age, culture and the
habits of the people who labelled the training pictures all leave their mark.</p>
<p>Do not decide about anyone by it. In the European Union, the AI Act (Regulation 2024/1689,
Article 5(1)(f)) prohibits inferring people\N{RIGHT SINGLE QUOTATION MARK}s emotions at work and in education,
except for medical or safety reasons.</p></div>
{below}</header>
<main>
"""


def html_text(text: str) -> str:
    """`text` on one line, without control characters or lone surrogates, safe in content and attributes."""
    return escape(one_line(text), quote=True)


def page_head(title: str, below: str = "", styles: Sequence[str] = ("report.css",)) -> str:
    """The page down to where its content begins.

    Args:
        title: Any text.
        below: HTML under the heading.
        styles: Assets, one after the other.
    """
    folder = files("expllm").joinpath("assets")
    style = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in styles)
    return _HEAD.format(csp=_CSP, title=html_text(title), style=style, below=below)


def foot(credits: str = "") -> str:
    """The page's end, outside of `main`."""
    return (
        f'<footer class="colophon"><p>Made by ExpLLM {html_text(__version__)}. This page holds all it shows '
        f"and asks no server for anything. {credits}</p></footer></body></html>\n"
    )


def jpeg_uri(picture: "Image.Image") -> str:
    """An image as a data URI."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
