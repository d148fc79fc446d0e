"""A judge of explanations: the file that says what it is asked, and how a reply is read.

The Exp-CoT score of the paper (section III-B7): key observations 0-5, interpretation 0-5, conclusion 0 or 5;
their sum, divided by the most that it can be. The paper does not print its prompt; ours is in
`assets/judge/exp_cot.toml`, and another file can take its place.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any, Final

from expllm.core.errors import UsageError

RUBRIC_PARTS: Final = ("key_observations", "interpretation", "conclusion")
_LONGEST: Final = 20_000
"""Characters at the end of a reply in which the verdict is looked for."""
_KEYS: Final = frozenset({"template", "verdict", "max_tokens", "scores"})
_GAPS: Final = ["first", "second"]


class JudgeFileError(UsageError):
    """A judge's file cannot be used."""


@dataclass(frozen=True)
class JudgeScores:
    """A verdict, in the points of the judge's file; by default 0-5 each."""

    key_observations: float
    interpretation: float
    conclusion: float

    @property
    def sum(self) -> float:
        return self.key_observations + self.interpretation + self.conclusion


@dataclass(frozen=True)
class JudgeFile:
    """What a judge is asked, and how its reply is read.

    Attributes:
        text: The whole file.
        template: The question, with the gaps `{first}` and `{second}`.
        verdict: Finds the scores in a reply.
        allowed: The scores that each part may get, the highest of them last.
        max_tokens: That a reply may have.
    """

    text: str
    template: str
    verdict: re.Pattern[str]
    allowed: Mapping[str, tuple[float, ...]]
    max_tokens: int

    @classmethod
    def load(cls, path: Path | None = None) -> "JudgeFile":
        """The shipped file, or another one.

        Raises:
            JudgeFileError: it cannot be read, or says something else than it must.
        """
        if path is None:
            shipped = files("expllm").joinpath("assets", "judge", "exp_cot.toml")
            return cls.parse(shipped.read_text(encoding="utf-8"), "exp_cot.toml")
        try:
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise JudgeFileError(f"{path}: cannot be read as a judge's file ({error})") from None

    @classmethod
    def parse(cls, text: str, where: str) -> "JudgeFile":
        """Reads the text of a judge's file.

        Raises:
            JudgeFileError: as `load`.
        """
        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise JudgeFileError(f"{where}: is not valid TOML ({error})") from None
        if set(found) != _KEYS:
            raise JudgeFileError(f"{where}: must hold {', '.join(sorted(_KEYS))}, and nothing else")
        template, most = found["template"], found["max_tokens"]
        if not isinstance(template, str) or _gaps(template) != _GAPS:
            raise JudgeFileError(
                f"{where}: the template must have the gaps {{first}} and {{second}}, once each"
            )
        if type(most) is not int or most < 1:
            raise JudgeFileError(f"{where}: max_tokens is {most!r}, not a whole number above 0")
        allowed = _allowed(found["scores"], where)
        return cls(text, template.strip(), _pattern(found["verdict"], where), allowed, most)

    @property
    def hash(self) -> str:
        """SHA-256 of the whole file."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def prompt(self, first: str, second: str) -> str:
        """The question about two texts. What fills a gap is never read as a gap itself."""
        return self.template.format_map({"first": first.strip(), "second": second.strip()})

    def read(self, reply: str) -> JudgeScores | None:
        """The last verdict of a reply; None if there is none, or if it has a score that may not be given."""
        found = list(self.verdict.finditer(reply[-_LONGEST:]))
        if not found:
            return None
        values = {part: float(found[-1][part]) for part in RUBRIC_PARTS}
        if any(value not in self.allowed[part] for part, value in values.items()):
            return None
        return JudgeScores(**values)

    def total(self, scores: JudgeScores) -> float:
        """The sum of the scores over the most that it can be: 0-1."""
        return scores.sum / sum(self.allowed[part][-1] for part in RUBRIC_PARTS)


def _gaps(template: str) -> list[str] | None:
    """Names of the gaps, in order of the alphabet; None where a gap is more than a name."""
    try:
        pieces = [piece for piece in Formatter().parse(template) if piece[1] is not None]
    except ValueError:
        return None
    return None if any(spec or form for _, _, spec, form in pieces) else sorted(str(p[1]) for p in pieces)


def _pattern(text: Any, where: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text.strip(), re.IGNORECASE | re.DOTALL)
    except (re.error, AttributeError) as error:
        raise JudgeFileError(f"{where}: verdict is not a regular expression ({error})") from None
    if set(pattern.groupindex) != set(RUBRIC_PARTS):
        raise JudgeFileError(f"{where}: verdict must have the groups {', '.join(RUBRIC_PARTS)}")
    return pattern


def _allowed(found: Any, where: str) -> dict[str, tuple[float, ...]]:
    if not isinstance(found, dict) or set(found) != set(RUBRIC_PARTS):
        raise JudgeFileError(f"{where}: scores must be lists of numbers for {', '.join(RUBRIC_PARTS)}")
    for part, values in found.items():
        good = isinstance(values, list) and len(values) > 1 and all(type(v) in (int, float) for v in values)
        if not good or sorted(set(values)) != values or values[0] < 0:
            raise JudgeFileError(f"{where}: scores.{part} must be two numbers or more from 0 on, rising")
    return {part: tuple(float(value) for value in found[part]) for part in RUBRIC_PARTS}
