"""HTML pages: Jinja templates that escape what they are given, a shared head and foot, embedded images.

A page asks no server for anything: its policy forbids it, and pictures stand in it as text. The templates are
`assets/pages`; whatever is no `Markup` is escaped there, on one line and without control characters.
"""

import base64
import io
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from expllm import __version__
from expllm.core.errors import one_line

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from markupsafe import Markup
    from PIL import Image


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("expllm", "assets/pages"), autoescape=True, finalize=_printable,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip


def _printable(value: object) -> object:
    """A value on one line, without control characters or lone surrogates; HTML of ours as it is."""
    return value if hasattr(value, "__html__") else one_line(str(value))


def page_template(file: str) -> "Template":
    """A template of `assets/pages`."""
    return _environment().get_template(file)


def render(file: str, **values: Any) -> "Markup":
    """A filled template, which other templates take as it is."""
    from markupsafe import Markup

    return Markup(page_template(file).render(values))


def page_head(title: str, below: "Markup", styles: Sequence[str] = ("report.css",)) -> "Markup":
    """The page down to where its content begins.

    Args:
        title: Any text.
        below: HTML under the heading.
        styles: Assets, one after the other.
    """
    from markupsafe import Markup

    folder = files("expllm").joinpath("assets")
    style = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in styles)
    return render("head.html", title=title, style=Markup(style), below=below)


def foot(credits: str = "") -> "Markup":
    """The page's end, outside of `main`."""
    return render("foot.html", version=__version__, credits=credits)


def jpeg_uri(picture: "Image.Image") -> str:
    """An image as a data URI."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85, optimize=True)
    return jpeg_address(stream.getvalue())


def jpeg_address(data: bytes) -> str:
    """A JPEG file as a data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
