"""Words that mean something else beside their neighbours: "*even* in anger", "keeps its *usual* place"."""

from typing import Final

from expllm.core.vocabulary import Side
from expllm.grounding.claims import DegreeWord
from expllm.grounding.emotions import NAMED
from expllm.grounding.signs import Sign

_NONE: Final[frozenset[str]] = frozenset()
_END: Final = Sign("", 0, 0, flags=frozenset({"comma"}))
_OF_A_PAIR: Final = frozenset(
    "one side half does did is was has had will stays remains rests lies keeps end '' ".split()
) | {""}
_OWNERS: Final = frozenset("its their his her the a an my".split())
_ADVERBS: Final = frozenset(("even", "as before"))
"""Words of rest that are none unless a clause ends with them."""

_WITH_BY: Final = frozenset(
    "characterized marked evidenced defined highlighted emphasized supported reinforced accompanied "
    "complemented coupled combined paired enhanced indicated suggested conveyed reflected hinted".split()
)
_BY: Final = frozenset("by with in as through".split())
_KEEPS: Final = frozenset(
    "keep keeps kept keeping hold holds held holding retain retains retained retaining maintain maintains "
    "maintained maintaining preserve preserves preserved stay stays stayed staying remain remains remained "
    "remaining rest rests has have hang hangs hung hanging lie lies lay lying sit sits sat stand stands "
    "stood".split()
)
_USUAL: Final = frozenset(
    "usual normal customary ordinary natural resting habitual accustomed everyday regular neutral own "
    "default baseline old".split()
)
_PLACES: Final = frozenset(
    "height place level line position ground station shape width post counsel distance course form peace "
    "posture spot seat station".split()
)
_UNSEALED: Final = frozenset(
    "slackened broken lost breached incomplete open unsealed loosened fails failed".split()
)
_MAKES: Final = frozenset("make makes making give gives giving".split())
_SIGNS_OF: Final = frozenset(("sign of", "signs of", "evidence of", "impression of", "sense of"))
_GONE: Final = frozenset(
    "gone vanished vanishes faded fades fled disappeared disappears died erased wiped extinguished".split()
)
_HAVING: Final = frozenset("has have had having".split())
_HALVED: Final = frozenset({"mouth", "lips", "brows"})
_BEFORE_ACTS: Final = frozenset("broad wide tight open flat thin big closed".split())
_SIZES: Final = frozenset("small large big thin tiny huge little soft gentle deep heavy light mild".split())
_AMOUNTS: Final = frozenset("amount degree extent way measure distance part portion share and".split())
"""What a word of size may stand before, and still say how much of a movement there is."""

_NORMALLY: Final = frozenset(
    "typical typically normal normally ordinary ordinarily regular regularly natural naturally".split()
)
_AS_EVER: Final = frozenset("normal usual ordinary natural regular average always ever before".split())
_NUMERALS: Final = ("", *"one two three four five six seven eight nine ten".split())
_SHARES: Final = (
    (0.15, DegreeWord.MINIMAL), (0.35, DegreeWord.SLIGHT), (0.6, DegreeWord.MODERATE),
    (0.8, DegreeWord.MARKED), (1.0, DegreeWord.STRONG),
)  # fmt: skip
_LOWS: Final = frozenset("low lower lowest".split())
_VALUES: Final = frozenset(
    "value values score scores intensity intensities level levels degree activation activations amount "
    "amounts "
    "engagement involvement reading readings".split()
)
_FEELINGS: Final = frozenset(
    "amusement delight pleasure enjoyment contentment cheerfulness affection warmth interest curiosity doubt "
    "disbelief irritation annoyance distress sorrow grief fatigue tiredness scorn mockery distaste revulsion "
    "alarm fright embarrassment shyness pride relief boredom hurt defiance disappointment resignation "
    "dislike aversion repulsion".split()
)
"""What is felt, besides the names of emotions: a word of degree before it grades no movement."""
_REGARDS: Final = frozenset(
    "attention concentration gaze look stare interest thought mood mind vigilance alertness".split()
)
_HINTS: Final = frozenset(
    "trace traces hint hints touch shade flicker suggestion glimmer ghost tinge whiff shadow breath whisper "
    "suspicion vestige spark glint".split()
)
_RESTS: Final = frozenset("still calm relaxed slack level smooth generic show".split())
_JOINED: Final = frozenset("press pull close furrow pucker".split())
_SUBJECTS: Final = frozenset(
    "the a an his her its their both he she they it there no neither nothing".split()
)
_FINE: Final = frozenset("mere thin narrow fine slim small tiny".split())
_LINES: Final = frozenset("slit slits line lines thread threads seam seams crack cracks band strip".split())
_FIRM: Final = (DegreeWord.MARKED, DegreeWord.STRONG)
_MEETS: Final = frozenset("meet meets met meeting".split())
_VERY: Final = frozenset("very extremely really quite exceedingly pretty rather fairly so".split())
_BITES: Final = frozenset("into down his her its the their on through hard".split())
_ABLE: Final = frozenset("can could possible able capable ever allows allow will".split())
_LOW: Final = (DegreeWord.MINIMAL, DegreeWord.SLIGHT)
_HIGH: Final = (DegreeWord.MARKED, DegreeWord.STRONG)


_FROM_EYES: Final = frozenset(("from the eyes", "from the eye"))
_BY_NEIGHBOURS: Final = frozenset(("upper", "lower", "most", *_FROM_EYES))
"""Words that mean nothing by themselves."""


def in_context(found: list[Sign]) -> list[Sign]:
    """The signs of a sentence with what they mean beside each other; phrases of several words made one."""
    for i, sign in enumerate(found):
        if sign.flags or sign.kinds or sign.acts or sign.degree or sign.part or sign.word in _BY_NEIGHBOURS:
            _settle(found, i)
    _join_adjectives(found)
    return list(_merged(found))


def _join_adjectives(found: list[Sign]) -> None:
    """ "no forward*,* rounded protrusion": what stands between two adjectives parts no clauses."""
    for i in range(2, len(found) - 1):
        one, two = found[i - 1], found[i + 1]
        described = bool(one.kinds or one.degree) and bool(two.kinds) and not (one.part or two.part)
        listed = any(sign.has("or", "and", "comma") for sign in found[i + 2 : i + 5])
        if found[i].word == "," and found[i - 2].has("no") and described and not listed:
            found[i].flags = _NONE


def _at(found: list[Sign], i: int) -> Sign:
    return found[i] if 0 <= i < len(found) else _END


def _settle(found: list[Sign], i: int) -> None:
    sign, before, after = found[i], _at(found, i - 1), _at(found, i + 1)
    _of_sides(sign, before, after, _at(found, i + 2))
    if sign.word == "without" and after.word in _OWNERS and _at(found, i + 2).part and _moved(found, i):
        sign.flags = sign.flags | {"break"}  # "rise *without the eyes taking part*"
    _of_more(found, i, after)
    if sign.degree:
        _of_amount(sign, after, found[i + 1 : i + 5], found[max(0, i - 3) : i])
    if sign.has("means"):
        _of_meaning(found, i)
    if sign.kinds:
        _of_movement(found, i)
    owner = i + 1 + (after.word == "of")
    if sign.word == "half" and _at(found, owner).word in _OWNERS and _at(found, owner + 1).part in _HALVED:
        sign.degree, sign.flags = None, frozenset({"one"})  # "half her mouth smiled"
    if sign.word == "as" and after.word in ("a", "an") and (before.kinds or before.degree):
        _at(found, i + 2).kinds = _NONE  # "smooth as a pebble"
    if sign.acts and not sign.part:
        _of_acts(found, i)
    if sign.word in _FROM_EYES and any("wrinkle" in s.kinds for s in found[:i]):
        sign.part = "eye corners"  # "wrinkles fan out *from the eyes*"
    if sign.word == "between them" and not any(s.part == "brows" for s in found[:i]):
        sign.part, sign.flags = None, frozenset({"place"})
    if sign.word in ("upper", "lower") and before.word in _OWNERS and not (after.part or after.acts):
        _stands_for_part(found, i)


def _of_more(found: list[Sign], i: int, after: Sign) -> None:
    """ "a *more* subdued smile" is less of one, "the *widest* that this face can make" is all of it."""
    sign = found[i]
    if sign.word == "more" and after.degree in _LOW and not after.has("more"):
        sign.flags = frozenset({"less"})
    if sign.word == "most" and after.has("comma") and any(s.side for s in found[max(0, i - 6) : i]):
        sign.flags = frozenset({"more"})  # "both are lowered, but the right is lowered *most*"
    if sign.word.endswith("est") and sign.degree is not DegreeWord.MINIMAL and _as_can_be(found, i):
        sign.degree, sign.flags = DegreeWord.STRONG, sign.flags - {"more"}
    if sign.word in ("further", "leading") and (after.has("means") or (_plain(after) and after.word)):
        sign.flags = _NONE  # "further contributing to ...", "the leading feature"


def _moved(found: list[Sign], i: int) -> bool:
    """Whether a movement is told before a word, in its clause."""
    for sign in reversed(found[:i]):
        if sign.has("comma", "and", "or", "break"):
            return False
        if sign.kinds - _RESTS:
            return True
    return False


def _as_can_be(found: list[Sign], i: int) -> bool:
    """ "the *widest* that this face can make", but not "the slightest that can be seen"."""
    able = next((j for j in range(i + 1, min(i + 7, len(found))) if found[j].word in _ABLE), None)
    return able is not None and (_at(found, able + 1).word != "be" or _at(found, able + 2).has("comma"))


def _of_acts(found: list[Sign], i: int) -> None:
    """ "the smile had *gone* out of his mouth", "the frown *faded*": it is there no more."""
    for k, later in enumerate(found[i + 1 : i + 5], i + 1):
        traces = any(one.degree in _LOW for one in found[k + 1 : k + 4])  # "fades *a little*": is still there
        if later.word in _GONE and not traces:
            later.flags, later.kinds = later.flags | {"no", "after"}, _NONE


def _of_amount(sign: Sign, after: Sign, later: list[Sign], before: list[Sign]) -> None:
    """ "*restrained* by", "into a *small* circle", "a *hint* of joy": no degree of a movement."""
    pits = after.kinds & {"inward", "wrinkle"} and not after.has("no") and not after.word.endswith("ing")
    if sign.word == "little":
        pits = pits and after.word.endswith("s")
    shape = (
        sign.word in _SIZES
        and after.word not in _AMOUNTS
        and (_plain(after) or pits or "pucker" in after.kinds)
    )
    felt = sign.word.split()[-1] in _HINTS and after.word == "of" and any(s.word in NAMED for s in later)
    felt = felt or after.word in NAMED or after.word in _FEELINGS  # "as in *restrained* amusement"
    line = sign.word in _FINE and after.word in _LINES  # "narrowed to a *mere* slit"
    where = sign.word == "in the middle" and any(s.kinds & _JOINED for s in before)
    breath = after.word in ("breath", "breaths", "breathing", "sigh")
    bitten = sign.word == "bit" and after.word in _BITES
    more = sign.word in _VERY and after.degree is not None and not after.kinds  # "*very* slightly"
    if more or breath or after.word == "by" or shape or felt or line or where or bitten:
        sign.degree = None


def _of_movement(found: list[Sign], i: int) -> None:
    """ "*even* in anger", "a *broad* smile", "rise to *meet* the lids": no movement of its own."""
    sign, before, after = found[i], _at(found, i - 1), _at(found, i + 1)
    if sign.degree and sign.word.endswith("ly") and (before.kinds or after.kinds) and "wide" in sign.kinds:
        sign.kinds = _NONE  # "closed *enormously*"
    if sign.word in _LOWS and (after.word in _VALUES or (after.kinds and not after.part)):
        _of_values(sign, after)
    elif sign.word == "lower" and _lower_of_two(found, i):
        sign.kinds, sign.flags = _NONE, frozenset({"less"})  # "both rise, the left *slightly lower*"
    if sign.word == "lower" and before.word in ("and", "or") and _at(found, i - 2).word == "upper":
        sign.kinds, sign.flags = _NONE, _NONE  # "sucked in, both upper and lower"
    aside = before.has("comma") and after.has("comma") and after is not _END  # "the brows (*as before*) rise"
    adverb = sign.word in _ADVERBS and (aside or not after.has("comma", "and", "or"))
    much = bool(after.acts) and (sign.word in _BEFORE_ACTS or sign.degree is not None)  # "an *enormous* grin"
    if adverb or much or (sign.word == "meet" and before.word == "to"):
        sign.kinds = _NONE
    _of_contact(found, i)
    rests = sign.kinds <= _RESTS or sign.word == "heightened"
    if rests and (after.word in _REGARDS or after.word in _FEELINGS):
        sign.kinds = _NONE  # "*fixed* attention", "*heightened* vigilance"
    if before.word == "otherwise" and sign.kinds <= _RESTS:
        sign.kinds = _NONE  # "the chin, otherwise *unremarkable*, ..."
    _of_rest(found, i)
    lids = before.part in ("eyes", "lids") or before.word.startswith("lash")
    if sign.word in ("rest", "rests", "resting") and after.word in ("on", "upon") and not before.part:
        sign.kinds = _NONE  # "an inference has to *rest on* the mouth"
    if lids and sign.word.startswith("rest") and after.word in ("on", "upon", "against"):
        sign.kinds = frozenset({"close"})  # "the lashes rest on the cheek"
        _drop_part(found, i + 1, "cheeks")


def _of_contact(found: list[Sign], i: int) -> None:
    """ "*unsealed* lips", "the lips *meet*", "loose *against each other*": how parts touch, or only look."""
    sign, before, after = found[i], _at(found, i - 1), _at(found, i + 1)
    if sign.word.startswith("seal") and {s.word for s in found[max(0, i - 3) : i + 4]} & _UNSEALED:
        sign.kinds = frozenset({"apart"})
    if "press" in sign.kinds and sign.word in _MEETS and after.degree not in _FIRM:
        sign.kinds = frozenset({"close"})  # they do not part, which is no pressing
    if "press" in sign.kinds and before.kinds & {"slack", "relaxed"}:
        sign.kinds = _NONE
    stares = sign.word == "stare" and before.word in ("the", "this", "that", "his", "her", "a")
    if stares or (sign.word == "disengaged" and after.part in ("eyes", "lids")):
        sign.kinds = _NONE  # a look


def _of_values(sign: Sign, after: Sign) -> None:
    """ "*low* values", "*lower* closure": how much, or where less, and no way down."""
    if sign.word == "low":
        sign.kinds, sign.degree = _NONE, DegreeWord.SLIGHT
    elif not after.word.endswith(("ing", "ed")):
        sign.kinds, sign.flags = _NONE, frozenset({"less"})


def _lower_of_two(found: list[Sign], i: int) -> bool:
    """Whether what rises is only said to rise less: "with the left brow slightly *lower* than the right"."""
    after = _at(found, i + 1)
    ends = after.has("comma", "than", "and") or after is _END
    risen = any("up" in s.kinds and s.word != "lower" for s in found[:i])
    fallen = any("down" in s.kinds and "up" not in s.kinds for s in found[:i])
    return i > 0 and ends and bool(found[i - 1].degree or found[i - 1].part) and risen and not fallen


def _of_rest(found: list[Sign], i: int) -> None:
    """ "*still* raised", "opens *in the midline*": no rest beside a movement."""
    sign = found[i]
    if "still" not in sign.kinds:
        return
    if sign.word == "still":
        after = next((s for s in found[i + 1 : i + 4] if not (s.degree or s.side)), _END)
        begins = _at(found, i - 1).has("comma", "and", "break") and _at(found, i + 1).word in _SUBJECTS
        if begins or ((after.kinds - _RESTS or after.acts) and not after.part):
            sign.kinds = _NONE  # "and *still* the brows rise"
    elif "midline" in sign.word or sign.word.startswith(("centr", "center", "in the cent", "in the middle")):
        for earlier in reversed(found[:i]):
            if earlier.has("comma", "break", "no"):
                return
            if earlier.kinds - _RESTS:
                sign.kinds = _NONE
                return


def _plain(sign: Sign) -> bool:
    return not (sign.kinds or sign.part or sign.acts or sign.degree or sign.side or sign.flags)


def _of_sides(sign: Sign, before: Sign, after: Sign, later: Sign) -> None:
    """ "*only* slightly" is no side, "the *other* features" are of no pair, "his *left alone*" is one."""
    if sign.word == "just" and after.has("place"):
        sign.flags = sign.flags - {"only", "one"}  # "*just* outside the left corner"
    much = later if after.word in ("a", "an", "by", "with") else after
    if "only" in sign.flags and (much.degree or much.has("more", "less")):
        sign.flags = sign.flags - {"only", "one"}
    plain = after.flags or after.part or after.kinds or after.side or after.word in _OF_A_PAIR
    if sign.word == "left" and before.word in _HAVING and not after.part:
        sign.side, sign.kinds = None, _NONE  # "the smile has *left* her"
    if "other" in sign.flags and sign.word == "other" and (not plain or before.word == "any"):
        sign.flags = sign.flags - {"other"}
    if sign.word == "left alone" and (before.word in _OWNERS or before.has("place")):
        sign.kinds, sign.side, sign.flags = _NONE, Side.LEFT, frozenset({"only"})


def _of_meaning(found: list[Sign], i: int) -> None:
    """ "*marked* lowering", "*points* downward", "a *hint* of lip rounding" interpret nothing."""
    sign, after = found[i], _at(found, i + 1)
    earlier = found[max(0, i - 7) : i]
    nothing = any(s.word.startswith("nothing") for s in earlier) and bool(after.kinds or after.acts)
    if nothing or (after.kinds == {"generic"} and any(s.has("no") for s in earlier)):
        sign.flags = sign.flags - {"means"}  # "nothing in the brows *to suggest* movement"
    if sign.word in _MAKES and any(s.kinds or s.acts for s in found[i + 1 : i + 5]):
        sign.flags = sign.flags - {"means"}  # "*making* small folds"
    points = sign.word.startswith("point") and after.kinds & {"up", "down", "stretch"}
    much = sign.degree and (
        after.word not in _BY
        if sign.word in _WITH_BY
        else after.word == "of" and any(s.part or s.acts or s.kinds for s in found[i + 2 : i + 5])
    )
    none = sign.word in _SIGNS_OF and any(s.has("no") for s in found[max(0, i - 7) : i])
    if points or much or none:
        sign.flags = sign.flags - {"means"}


def _drop_part(found: list[Sign], first: int, part: str) -> None:
    for sign in found[first : first + 3]:
        if sign.part == part:
            sign.part = None


def _stands_for_part(found: list[Sign], i: int) -> None:
    """ "the upper lip is taken in, *the lower* is not": the word for its part."""
    part = next(
        (s.part for s in reversed(found[:i]) if s.part and s.part.startswith(("upper", "lower"))), None
    )
    if _at(found, i + 1).has("and", "or"):  # "both *the upper* and the lower lip"
        after = (s.part for s in found[i + 2 : i + 4] if s.part and s.part.startswith(("upper", "lower")))
        part = next(after, part)
    if part and part.split()[-1] in ("lip", "lids") and not _at(found, i + 1).has("than"):
        sign = found[i]
        sign.part, sign.kinds, sign.flags = f"{sign.word} {part.split()[-1]}", _NONE, _NONE


def _merged(found: list[Sign]) -> list[Sign]:
    kept: list[Sign] = []
    i = 0
    while i < len(found):
        used, made = (
            _ratio(found, i)
            or _kept_place(found, i)
            or _open_as_ever(found, i)
            or _neither(found, i)
            or (1, found[i])
        )
        kept.append(made)
        i += used
    return kept


def _joined(found: list[Sign], i: int, used: int, **what: object) -> tuple[int, Sign]:
    return used, Sign(found[i].word, found[i].start, found[i + used - 1].end, **what)  # type: ignore[arg-type]


def _kept_place(found: list[Sign], i: int) -> tuple[int, Sign] | None:
    """ "*keeps its customary curtain*", "*hold their height*": rest."""
    if found[i].word.removesuffix(" to") not in _KEEPS:
        return None
    j = i + 1 + (_at(found, i + 1).word in ("at", "in", "to", "on"))
    if _at(found, j).word not in _OWNERS:
        return None
    if _at(found, j + 1).word in _USUAL:
        used = j + 2 - i
        while used < j + 4 - i and not (_at(found, i + used).flags or _at(found, i + used).part):
            used += 1
        return _joined(found, i, used, kinds=frozenset({"still"}))
    if _at(found, j + 1).word in _PLACES and _at(found, j).word not in ("a", "an", "the"):
        return _joined(found, i, j + 2 - i, kinds=frozenset({"still"}))
    return None


def _open_as_ever(found: list[Sign], i: int) -> tuple[int, Sign] | None:
    """ "*ordinary open*", "*open to a normal degree*", "*open as always*": neither closed nor widened."""
    sign = found[i]
    if sign.word in _NORMALLY and "open" in _at(found, i + 1).kinds:
        return _joined(found, i, 2, kinds=frozenset({"still"}))
    compared = sign.word in ("more", "less") and _at(found, i + 2).has("than")
    if compared and "open" in _at(found, i + 1).kinds and _at(found, i + 3).word in _AS_EVER:
        return _joined(found, i, 4, kinds=frozenset({"wide" if sign.word == "more" else "close"}))
    if sign.word not in ("open", "opened"):
        return None
    for j in range(i + 1, min(i + 5, len(found))):
        if found[j].word in _AS_EVER:
            return _joined(found, i, j + 1 - i, kinds=frozenset({"still"}))
        if found[j].word not in ("to", "in", "at", "a", "the", "their", "its", "same", "like", "as"):
            return None
    return None


def _ratio(found: list[Sign], i: int) -> tuple[int, Sign] | None:
    """ "grade *3 of 5*", "*seven out of ten*": how much."""
    if _at(found, i + 1).word not in ("of", "out", "/"):
        return None
    j = i + 2 + (_at(found, i + 2).word == "of")
    part, whole = _counted(found[i].word.removeprefix("grade ")), _counted(_at(found, j).word)
    if part is None or whole is None or not 0 < part <= whole:
        return None
    degree = next(word for limit, word in _SHARES if part / whole <= limit)
    return _joined(found, i, j + 1 - i, degree=degree)


def _counted(word: str) -> float | None:
    if word.replace(".", "", 1).isdecimal():
        return float(word)
    return float(_NUMERALS.index(word)) if word in _NUMERALS else None


def _neither(found: list[Sign], i: int) -> tuple[int, Sign] | None:
    """ "*not strong, not weak*", "*neither faint nor extreme*": moderate."""
    if not found[i].has("no") or not _at(found, i + 1).degree:
        return None
    j = i + 2 + _at(found, i + 2).has("comma")
    second = _at(found, j + 1)
    if not (_at(found, j).has("no") and second.degree):
        return None
    pair = {found[i + 1].degree, second.degree}
    if pair & {*_LOW} and pair & {*_HIGH}:
        return _joined(found, i, j + 2 - i, degree=DegreeWord.MODERATE)
    return None
