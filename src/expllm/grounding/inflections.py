"""The forms of English verbs, and of phrases that begin with one."""

import re
from typing import Final

IRREGULAR: Final = {
    "rise": "rose risen risens", "fall": "fell fallen", "sink": "sank sunk sunken", "hang": "hung",
    "draw": "drew drawn", "shut": "", "come": "came", "go": "went gone goes", "fly": "flew flown flies",
    "spring": "sprang sprung", "leap": "leapt", "blow": "blew blown", "swell": "swelled swollen",
    "bend": "bent", "thrust": "", "stick": "stuck", "slide": "slid", "swing": "swung", "meet": "met",
    "knit": "knitted", "bite": "bitten", "eat": "ate eaten", "wind": "wound", "throw": "threw thrown",
    "show": "shown showed", "bear": "bore borne", "catch": "caught", "hide": "hid hidden", "put": "",
    "spread": "", "split": "", "tear": "tore torn", "shrink": "shrank shrunk shrunken", "creep": "crept",
    "sweep": "swept", "keep": "kept", "hold": "held", "sit": "sat", "stand": "stood", "lie": "lay lain",
    "grow": "grew grown", "break": "broke broken", "shoot": "shot", "dig": "dug", "sting": "stung",
    "freeze": "froze frozen", "sleep": "slept", "leave": "left", "set": "", "let": "", "cut": "",
    "weave": "wove woven", "take": "took taken", "make": "made", "give": "gave given", "get": "got gotten",
    "lead": "led", "stir": "stirred stirring", "do": "does did done",
    "ride": "rode ridden", "upturn": "upturned", "stride": "strode", "run": "ran",
}  # fmt: skip
_DOUBLES: Final = re.compile(r"(?:^|[^aeiou])[aeiou][bdgklmnpt]$")
_LONG: Final = frozenset(
    "open happen widen tauten stiffen tighten loosen slacken harden deepen lengthen heighten broaden "
    "flatten thicken straighten shorten lighten strengthen gather lower uncover wander wither waver "
    "flicker pucker wrinkle travel level tunnel funnel balloon droop crook deviate elongate retract "
    "protrude lift wink look cock hook crook firm curl cover hover quiver rumple show turn burn yawn "
    "press narrow bow draw".split()
)


def inflected(verb: str) -> set[str]:
    """The forms of a verb, or of a noun that looks like one; a phrase stays as it is.

    >>> sorted(inflected("dip"))
    ['dip', 'dipped', 'dipping', 'dips']
    """
    if " " in verb:
        return {verb}
    base = verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb
    if verb.endswith("y") and verb[-2] not in "aeiou":
        past, third = f"{verb[:-1]}ied", f"{verb[:-1]}ies"
    else:
        if _DOUBLES.search(verb) and verb not in _LONG:
            base = verb + verb[-1]
        past = f"{base}ed"
        third = f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "z")) else f"{verb}s"
    return {verb, third, past, f"{base}ing", *IRREGULAR.get(verb, "").split()}


_LEADING: Final = frozenset(
    "stay hold keep lie stand sit take make do mind leave rest go come draw pull push turn fall hang "
    "drop swing fly spring slide slip curl wrap fold tuck give get creep jut stick lead ride bear move snap "
    "clamp".split()
)


def with_verb(phrase: str) -> set[str]:
    """The forms of a phrase that begins with a verb: "keep quiet", "kept quiet"."""
    first, _, rest = phrase.partition(" ")
    if not rest or first not in _LEADING:
        return {phrase}
    return {f"{form} {rest}" for form in inflected(first)}


def phrases(text: str) -> list[str]:
    """The phrases of a text that commas part."""
    return [" ".join(phrase.split()) for phrase in text.split(",") if phrase.strip()]
