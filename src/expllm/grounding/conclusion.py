"""The expression that a text ends with."""

from collections.abc import Callable
from typing import Final

from expllm.core.vocabulary import Expression
from expllm.grounding.emotions import EmotionMention, read_emotions

_Test = Callable[[EmotionMention], bool]
_CLEARER: Final[tuple[_Test, ...]] = (
    lambda one: one.core and not one.hedged,
    lambda one: not one.hedged,
    lambda _: True,
)
"""From names that are affirmed to any word near one."""


def concluded(text: str) -> Expression | None:
    """The expression that the conclusion names, or the whole text where it has no headings.

    Of several, the first that is named as the main one.

    Returns:
        None if it names none, or several and none of them as the main one.

    >>> concluded("It is clearly happiness, with a hint of surprise.")
    <Expression.HAPPINESS: 'happiness'>
    """
    mentions = read_emotions(text)
    part = "conclusion" if any(one.part != "text" for one in mentions) else "text"
    affirmed = [one for one in mentions if one.part == part and not one.denied]
    kept = (list(filter(test, affirmed)) for test in _CLEARER)
    clearest = next((found for found in kept if found), [])
    named = {one.expression for one in clearest}
    if len(named) > 1:
        named = {one.expression for one in [one for one in clearest if one.main][:1]}
    return named.pop() if named else None
