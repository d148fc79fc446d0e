"""Checks the format of refined texts (paper, section III-B6) by code, never by a model."""

import re
from typing import Final

from expllm.core.errors import RecordError
from expllm.core.records import CoT
from expllm.core.vocabulary import EXPRESSION_SYNONYMS, Expression

WORD_LIMIT: Final = 130
"""Words of a whole text, headings included."""

PRONOUNS: Final = frozenset(
    "i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself "
    "she her hers herself they them their theirs themselves themself one's".split()
)
"""Personal pronouns and their possessives; "it" and "its" speak of movements, not of a person."""

_MAX_LENGTH: Final = 20_000
"""Characters; a longer text is refused unread."""

_AU_NUMBER: Final = re.compile(r"\b(?:AUs?|action\s+units?)[\s_#-]*(?:no\.?\s*)?\d+", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_LABEL_OF: Final = {
    word: label for label in Expression for word in (label.value, *EXPRESSION_SYNONYMS[label])
}
_EXPRESSION: Final = re.compile(
    rf"\b(?:{'|'.join(sorted(map(re.escape, _LABEL_OF), key=len, reverse=True))})\b"
)
_NEGATED: Final = re.compile(
    r"\b(?:not|no|without|neither|nor|rather than|instead of|absence of|lack of)\b[^.;,]*$"
)


def format_problems(text: str, expression: Expression) -> tuple[CoT | None, tuple[str, ...]]:
    """The text in its three parts, and each rule that it breaks as a sentence; none where it will do.

    Args:
        text: What the writer answered.
        expression: The label that the conclusion must name.
    """
    if len(text) > _MAX_LENGTH:
        return None, (f"The text has {len(text)} characters: at most {WORD_LIMIT} words are allowed.",)
    try:
        cot = CoT.parse(text)
    except RecordError as error:
        return None, (f"{str(error).capitalize()}.",)
    problems = [*surface_problems(text, cot), *_label_problems(cot, expression)]
    return cot, tuple(problems)


def surface_problems(text: str, cot: CoT) -> list[str]:
    problems = []
    before = re.split(r"key\s+observations", text, maxsplit=1, flags=re.IGNORECASE)[0]
    if _WORD.search(before):
        problems.append("Nothing may stand before the first heading.")
    if cot.word_count > WORD_LIMIT:
        problems.append(f"The text has {cot.word_count} words: at most {WORD_LIMIT} are allowed.")
    words = {word.casefold().replace("’", "'") for part in cot.parts for word in _WORD.findall(part)}
    if used := sorted(words & PRONOUNS):
        problems.append(f"Personal pronouns are not allowed: {', '.join(used)}.")
    if _AU_NUMBER.search(text):
        problems.append("Numbers of action units are not allowed.")
    elif any(_NUMBER.search(part) for part in cot.parts):
        problems.append("Numbers are not allowed: say in words how strong a movement is.")
    if _CONTROL.search(text):
        problems.append("Control characters are not allowed.")
    return problems


def _label_problems(cot: CoT, expression: Expression) -> list[str]:
    if expression in affirmed(cot.conclusion):
        return []
    return [f"The conclusion must name the expression {expression.value}."]


def affirmed(conclusion: str) -> set[Expression]:
    """Expressions that a conclusion names without denying them, by name or synonym."""
    text = conclusion.casefold()
    return {
        _LABEL_OF[match[0]]
        for match in _EXPRESSION.finditer(text)
        if not _NEGATED.search(text[: match.start()])
    }
