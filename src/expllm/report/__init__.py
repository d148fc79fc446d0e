"""Views of analyses: overlays, HTML pages, tables.

`draw_overlay` makes a PIL image to save as PNG; `HtmlReport` writes one self-contained page, item by item.
"""

from expllm.report.html_page import HtmlReport
from expllm.report.overlay import draw_overlay

__all__ = ["HtmlReport", "draw_overlay"]
