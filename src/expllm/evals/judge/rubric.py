"""A judge of explanations: the file that says what it is asked, and how a reply is read.

The Exp-CoT score of the paper (section III-B7): key observations 0-5, interpretation 0-5, conclusion 0 or 5;
their sum, divided by the most that it can be. The paper does not print its prompt; ours is in
`assets/judge/exp_cot.toml`, and another file can take its place.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.dataclasses import dataclass as pydantic_dataclass

from expllm.core.errors import UsageError
from expllm.core.value_checks import KNOWN, validated

RUBRIC_PARTS: Final = ("key_observations", "interpretation", "conclusion")
_LONGEST: Final = 20_000
"""Characters at the end of a reply in which the verdict is looked for."""
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


def _with_gaps(template: str) -> str:
    """A template whose gaps are names, and nothing more."""
    try:
        pieces = [piece for piece in Formatter().parse(template) if piece[1] is not None]
    except ValueError:
        pieces = []
    names = sorted(str(name) for _, name, spec, form in pieces if not spec and not form)
    if names != _GAPS or len(pieces) > len(names):
        raise ValueError("must have the gaps {first} and {second}, once each")
    return template


def _pattern(text: Any) -> re.Pattern[str]:
    try:
        pattern = re.compile(text.strip(), re.IGNORECASE | re.DOTALL)
    except (re.error, AttributeError) as error:
        raise ValueError(f"is not a regular expression ({error})") from None
    if set(pattern.groupindex) != set(RUBRIC_PARTS):
        raise ValueError(f"must have the groups {', '.join(RUBRIC_PARTS)}")
    return pattern


def _rising(values: list[float]) -> list[float]:
    if len(values) < 2 or sorted(set(values)) != values or values[0] < 0:
        raise ValueError("must be two numbers or more from 0 on, rising")
    return values


_Allowed = Annotated[list[Annotated[float, Field(strict=True)]], AfterValidator(_rising)]


@pydantic_dataclass(frozen=True, config=KNOWN)
class _AllowedScores:
    key_observations: _Allowed
    interpretation: _Allowed
    conclusion: _Allowed


@pydantic_dataclass(frozen=True, config=KNOWN)
class _Rubric:
    """The keys of a judge's file."""

    template: Annotated[str, AfterValidator(_with_gaps)]
    verdict: Annotated[re.Pattern[str], BeforeValidator(_pattern)]
    scores: _AllowedScores
    max_tokens: Annotated[int, Field(ge=1, strict=True)]


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
            found = validated(_Rubric, tomllib.loads(text), error=JudgeFileError)
        except tomllib.TOMLDecodeError as error:
            raise JudgeFileError(f"{where}: is not valid TOML ({error})") from None
        except JudgeFileError as error:
            raise JudgeFileError(f"{where}: {error}") from None
        allowed = {part: tuple(values) for part, values in asdict(found.scores).items()}
        return cls(text, found.template.strip(), found.verdict, allowed, found.max_tokens)

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
