"""What turns of phrase stand for, and the short names in which their patterns are written."""

import re
from dataclasses import dataclass
from typing import Final

from expllm.core.vocabulary import Side
from expllm.grounding.claims import DegreeWord
from expllm.grounding.signs import TABLE, Sign

EFFECTS: Final[dict[str, Sign]] = {
    "affirm": Sign("", 0, 0),
    "deny": Sign("", 0, 0, flags=frozenset({"no"})),
    "absent": Sign("", 0, 0, flags=frozenset({"no", "after"})),
    "nor": TABLE["nor"],
    "wide": Sign("", 0, 0, kinds=frozenset({"wide"})),
    "idle": Sign("", 0, 0, kinds=frozenset({"generic"}), flags=frozenset({"no", "after"})),
    "rest": Sign("", 0, 0, kinds=frozenset({"still"})),
    "more": Sign("", 0, 0, flags=frozenset({"more"})),
    "lessthan": Sign("", 0, 0, flags=frozenset({"less", "than"})),
    "onlyleft": Sign("", 0, 0, side=Side.LEFT, flags=frozenset({"only"})),
    "onlyright": Sign("", 0, 0, side=Side.RIGHT, flags=frozenset({"only"})),
    "break": Sign("", 0, 0, flags=frozenset({"break"})),
    "stir": Sign("", 0, 0, kinds=frozenset({"generic"})),
    "only": Sign("", 0, 0, flags=frozenset({"only"})),
    "minimal": Sign("", 0, 0, degree=DegreeWord.MINIMAL),
    "slight": Sign("", 0, 0, degree=DegreeWord.SLIGHT),
    "marked": Sign("", 0, 0, degree=DegreeWord.MARKED),
    "strong": Sign("", 0, 0, degree=DegreeWord.STRONG),
}
"""What a turn of phrase stands for."""

_WORDS: Final = {
    "NOT": r"(?:not|never|cannot|\w+n't)",
    "NOBODY": r"(?:nobody|no one|no (?:observer|viewer|reader|examiner|one))",
    "CAN": r"(?:can|could|would|will|may|might|should)",
    "BE": r"(?:is|are|was|were|be|been|being|remains?|remained|stays?|stayed)",
    "HAVE": r"(?:has|have|had|having)",
    "DO": r"(?:do|does|did)",
    "KEEP": r"(?:stay|stays|stayed|keep|keeps|kept|remain|remains|remained|stand|stands|stood|sit|sits|sat|"
    r"is|are|was|were|hang|hangs|hung|lie|lies|lay|left|leave|leaves)",
    "IT": r"(?:it|them|they|this|that|these|any of (?:it|this|that)|(?:the|this|an?) (?:(?:overall|whole|"
    r"general|"
    r"emotional|final|total|facial|affective) )*(?:face|expression|matter|affair|business|display|picture|"
    r"action|show|impression|reading|effect|mood|emotion|message|look|interpretation|affect|judge?ment))",
    "CALL": r"(?:call|calls|say|speak of|describe|report|claim|suggest|think|label|term|see|pretend|maintain|"
    r"consider|talk of|assert|write|read)",
    "CALLED": r"(?:called|described as|said to(?: be| have)?|termed|considered|labelled|labeled|"
    r"taken (?:for|as)|spoken of as|mistaken for|counted as|regarded as|classed as|accused of)",
    "WRONG": r"(?:a mistake|an error|wrong|false|incorrect|inaccurate|misleading|an exaggeration|a lie|"
    r"untrue|"
    r"absurd|going too far|unfair|saying too much|a misnomer|to say too much|to go too far)",
    "SHIRK": r"(?:fail|refuse|decline|stop|cease|refrain|abstain|resist|avoid|deny|doubt|omit|neglect|forget|"
    r"hesitate|miss|overlook|hide|conceal|escape|lack|ignore|dispute|mistake|shrink|desist)",
    "HIDDEN": r"(?:denied|doubted|missed|overlooked|mistaken|ignored|hidden|disputed|concealed|disguised|"
    r"gainsaid|argued away|explained away|avoided|helped|questioned|contested)",
    "WILL": r"(?:inclination|attempt|attempts|effort|efforts|move|tendency|urge|intention|intentions|desire|"
    r"wish|willingness|reason|need|occasion|impulse|interest|hurry|readiness|eagerness|cause|call|ambition|"
    r"appetite|temptation|mood|plan|plans|bid|preparation|preparations|haste|will|enthusiasm|mind)",
    "SPOT": r"(?:see|notice|spot|recogni[sz]e|make out|observe|find|tell|read|detect|discern|say)",
    "SEEN": r"(?:seen|present|observed|noted|appreciated|evident|detected|elicited|visible|apparent|found|"
    r"demonstrable|demonstrated|identified|discernible|recorded|there|noticed|registered|perceptible)",
    "WEAK": r"(?:subtle|half hearted|halfhearted|small|tentative|timid|shy|mild|slight|modest|weak|faint|"
    r"vague|"
    r"gentle|restrained|reserved|halfway|hesitant|cautious|muted|discreet|delicate|little|minor)",
    "NORMALLY": r"(?:normally|usually|typically|generally|commonly|ordinarily|often|also|always)",
    "BRING": r"(?:expect|need|bring|require|show|involve|include|predict|see|call for|demand|add|produce|"
    r"entail|come with|be accompanied by|go with|feature|imply|want|anticipate|look for|find|have|display|"
    r"present|be marked by|mean|recruit|engage|draw on)",
    "THEY": r"(?:they|it|these|those|that|this|which|(?:all|both) of which|(?:these|those|such|this|that) "
    r"(?:\w+ ){0,2}?\w+)",
    "ABSENT": r"(?:\w+ly )?(?:not|absent|missing|lacking|nowhere|wanting)",
    "ALAS": r"(?:[,;] )?(?:(?:but|yet|and|though|whereas|while|however|instead) (?:, )?)?(?:THEY (?:(?:"
    r"simply|clearly|all|both|entirely) )?(?:(?:is|are|was|were) ABSENT|(?:isn|aren|wasn|weren|don|doesn|"
    r"didn|hasn|haven)'t|(?:do|does|did|has|have) not|fails? to)(?: (?:SEEN|the case|so|here|"
    r"happen(?:ed)?|occur(?:red)?|appear(?:ed)?|follow(?:ed)?|show|materiali[sz]ed?|to be (?:seen|"
    r"found)))?|(?:none|neither|no sign) (?:of (?:which|these|this|that|those|them|it) )?(?:(?:is|are|was|"
    r"were|can be)(?: SEEN)?|appears?|occurs?|shows?|happens?|materiali[sz]es?)|"
    r"there (?:is|was) (?:none|no sign of (?:it|them|this|that|these)|nothing of the "
    r"(?:kind|sort)))(?: (?:here|in this (?:face|image|picture|case|photograph|photo)|on this face|today))*",
    "LESSER": r"(?:slight|weak|faint|small|subtle|little|feeble|minute|tiny|mild|minor)",
}


@dataclass(frozen=True)
class TurnPattern:
    """A pattern of words, the words of which one must be there, and what it stands for.

    Groups that are named for an effect (and "_" for a second one) stand for it; without any, the whole match
    does. Of an effect "through", what is denied is all between the groups, whatever joins it.
    """

    keys: frozenset[str]
    effect: str
    pattern: re.Pattern[str]


_NAMES: Final = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b")


def _spelled(pattern: str) -> str:
    return _NAMES.sub(lambda name: _WORDS[name[0]], pattern)


def turns_of(effect: str, *rules: tuple[str, str]) -> list[TurnPattern]:
    """Patterns of one effect, each given as words of which one must be there, and the pattern itself."""
    found = []
    for keys, pattern in rules:
        spelled = _spelled(_spelled(_spelled(pattern)))
        whole = re.compile(rf"(?<!\S)(?:{spelled})(?:(?!\S)|(?<= ))")
        found.append(TurnPattern(frozenset(keys.split()), effect, whole))
    return found
