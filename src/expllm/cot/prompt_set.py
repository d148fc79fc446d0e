"""The prompts of the engine: Markdown files with named gaps, replaceable as a set.

The wording follows the paper (section III-B); where it leaves something open - units that nobody measured,
an answer that is no answer - the files here say it in the same plain manner.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Final, Self

from expllm.core.errors import ExpllmError

GAPS: Final[Mapping[str, frozenset[str]]] = {
    "describe": frozenset({"positive", "unknown"}),
    "express": frozenset({"labels"}),
    "express_again": frozenset({"labels"}),
    "verify": frozenset({"positive", "expression"}),
    "verify_again": frozenset(),
    "feedback": frozenset({"problems"}),
    "feedback_hint": frozenset({"expression", "problems"}),
    "refine": frozenset({"analysis", "expression"}),
    "refine_again": frozenset({"problems"}),
}
"""Every prompt, and the gaps that its file must have: no fewer, no others."""


class PromptError(ExpllmError):
    """A prompt file is missing, or its gaps are not those that the engine fills."""


class Prompts:
    """The nine prompts, checked.

    Args:
        texts: Name -> text with gaps such as ``{labels}``; a literal brace is doubled.

    Raises:
        PromptError: a prompt is missing or unknown, or has a wrong gap.
    """

    def __init__(self, texts: Mapping[str, str], *, source: str = "prompts") -> None:
        if missing := sorted(GAPS.keys() - texts.keys()):
            raise PromptError(f"{source}: no {missing[0]}.md (needed: {', '.join(GAPS)})")
        if unknown := sorted(texts.keys() - GAPS.keys()):
            raise PromptError(
                f"{source}: {unknown[0]}.md is not a prompt of the engine (they are: {', '.join(GAPS)})"
            )
        self._texts = {name: texts[name].strip() for name in GAPS}
        for name, text in self._texts.items():
            _check_gaps(f"{source}/{name}.md", text, GAPS[name])

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """The shipped prompts, or those of a folder: it replaces all of them or those that it holds.

        Raises:
            PromptError: the folder cannot be read, holds no prompt, or a prompt in it is wrong.
        """
        shipped = files("expllm").joinpath("cot", "prompts")
        texts = {name: shipped.joinpath(f"{name}.md").read_text(encoding="utf-8") for name in GAPS}
        if folder is not None:
            texts |= _folder(folder)
        return cls(texts, source=str(folder or "prompts"))

    @property
    def texts(self) -> dict[str, str]:
        """Name -> text, for the run's own record."""
        return dict(self._texts)

    @property
    def hash(self) -> str:
        """SHA-256 of all texts: the same words, the same hash."""
        canonical = json.dumps(self._texts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def fill(self, name: str, **gaps: str) -> str:
        """The prompt `name` with its gaps filled. What fills a gap is never read as a gap itself."""
        return self._texts[name].format_map(gaps)


def _folder(folder: Path) -> dict[str, str]:
    try:
        found = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"{folder}: cannot read the prompts ({error})") from None
    if not found:
        raise PromptError(f"{folder}: holds no prompt (*.md); the names are {', '.join(GAPS)}")
    return found


def _check_gaps(where: str, text: str, wanted: frozenset[str]) -> None:
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise PromptError(f"{where}: {error} (write a literal brace twice)") from None
    if any(spec or conversion for _, _, spec, conversion in pieces):
        raise PromptError(f"{where}: a gap is a plain name in braces, without a format")
    found = {name for _, name, _, _ in pieces if name is not None}
    if missing := sorted(wanted - found):
        raise PromptError(f"{where}: the gap {{{missing[0]}}} is missing")
    if unknown := sorted(found - wanted):
        allowed = ", ".join(f"{{{name}}}" for name in sorted(wanted)) or "none"
        raise PromptError(f"{where}: nothing fills the gap {{{unknown[0]}}} (allowed: {allowed})")
