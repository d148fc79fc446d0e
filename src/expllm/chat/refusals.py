"""Tells a refusal in plain words from an answer."""

import re
from typing import Final

_LONGEST: Final = 400
"""Characters. A refusal is short; a long text that begins with an apology may still answer."""

_OPENING: Final = (
    r"(?:(?:i(?:'m| am)(?: very| so| truly)? sorry|sorry|i apologi[sz]e|apologies|unfortunately|no)"
    r"\b[^.!?]{0,40}?)?(?:[,.!;:]? )*(?:but )?"
)
_AS_AN_AI: Final = r"(?:as an? (?:ai|artificial|language|large)[^,.]{0,60}, )?(?:but )?"
_UNABLE: Final = (
    r"(?:i|we) ?(?:can(?:'t|not| not)|could(?:n't| not)|won't|will not"
    r"|(?:am|'m|are|'re) (?:unable|not able|not allowed|not permitted))"
)
_TO: Final = (
    r"(?: to)? (?:assist|help|comply|provide|fulfill?|continue|do (?:that|this)|identify|analy[sz]e|answer"
    r"|engage|determine|infer|discuss|create|generate|complete|process|describe|make|respond|support|participate"
    r"|interpret|recogni[sz]e|speculate|offer|produce|perform|share|see|view)(?:ing)?\b"
)
_DECLINE: Final = (
    r"(?:i|we) (?:(?:must |have to |will )?(?:respectfully )?(?:decline|refuse)"
    r"|do(?:n't| not) feel comfortable)\b"
)
_REFUSAL: Final = re.compile(f"{_OPENING}{_AS_AN_AI}(?:{_UNABLE}{_TO}|{_DECLINE})")
_AGAINST: Final = re.compile(
    r"(?:i'm sorry[,.]? but )?(?:this|that|your|the) (?:request|prompt|content|message) "
    r"(?:violates|goes against|was (?:flagged|rejected|blocked)|is (?:against|not (?:allowed|permitted)))"
)


def is_refusal(text: str) -> bool:
    """True if a short text says that the model will not answer.

    >>> is_refusal("I'm sorry, but I can't assist with that.")
    True
    >>> is_refusal("The brows are lowered; I cannot rule out anger.")
    False
    """
    if len(text) > _LONGEST:
        return False
    start = " ".join(text.replace("\u2019", "'").casefold().split())
    return bool(_REFUSAL.match(start) or _AGAINST.match(start))
