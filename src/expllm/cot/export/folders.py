"""Which folders are exports, and so may be replaced by a newer one."""

from pathlib import Path
from typing import Final

MARK: Final = "<!-- written by expllm cot export -->"
"""Stands in the card of every export."""


def is_export(folder: Path) -> bool:
    """Whether a folder has a card of ours."""
    try:
        return MARK in (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
