"""What an analysis looks like: a picture with its measurements, and a page of many.

`draw_overlay` makes a PIL image to save as PNG; `HtmlReport` writes one self-contained page, item by item.
"""

from expllm.report.html_page import HtmlReport
from expllm.report.overlay import draw_overlay

__all__ = ["HtmlReport", "draw_overlay"]
