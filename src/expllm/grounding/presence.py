"""Whether what a denial denies is that something is there: "is *not seen*", "is *not posed*"."""

import re
from typing import Final

from expllm.grounding.chunks import Chunk
from expllm.grounding.signs import Sign

DENYING: Final = frozenset(
    (
        *"not never cannot don't doesn't didn't isn't aren't wasn't weren't hasn't haven't hadn't".split(),
        *("won't", "can't", "couldn't", "wouldn't", "not a", "not any", "not one"),
    )
)
_HELPING: Final = frozenset(
    "be been being is are was were do does did have has had to at all here yet even ever in it this a an "
    "the any "
    "quite really clearly truly actually now once for moment so much as".split()
)
_BEING: Final = re.compile(
    "seen|see(?!m)|some|present|there|visib|eviden|apparent|observ|note|notic|detect|elicit|found|find|record|identif|"
    "discern|appear|occur|happen|com[ei]|came|show|aris|arose|emerg|develop|materiali|manifest|exist|regist|"
    "featur|figur|follow|arriv|tak|took|involv|includ|mad|mak|perform|produc|creat|confirm|demonstr|report|"
    "apprec|document|perce|measur|part|place|attempt|giv|offer|add|achiev|reach|succe|set|belong|contribut|play|"
    "accompan|join|particip|noted|obtain|register|display|exhibit|express|among|on|one|possible|what|required|"
    "enter|engag|activ|work|move|mov|stir|budg|change|react|respond"
)
"""Beginnings of words for being there, and for taking part."""
_PLAIN: Final = frozenset("face features muscles muscle skin whole rest region area".split())


def denies_being(signs: list[Sign], chunk: Chunk, no: int) -> bool:
    """Whether what is denied behind a movement is that it is there: "is *not seen*", "is *not posed*"."""
    if signs[no].word not in DENYING:
        return True
    said = (s for s in signs[no + 1 : chunk.last] if s.word not in _HELPING and not s.degree)
    first = next(said, None)
    return first is None or tells_being(first) or not is_unknown(first)


def tells_being(sign: Sign) -> bool:
    """Whether a word begins like one for being there, or taking part."""
    return bool(_BEING.match(sign.word))


def is_unknown(sign: Sign) -> bool:
    """Whether a word means nothing to the reader, and may be of anything."""
    bare = sign.part or sign.kinds or sign.acts or sign.degree or sign.side or sign.flags
    return not bare and sign.word not in _PLAIN
