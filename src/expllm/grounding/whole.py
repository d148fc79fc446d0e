"""What is said of the whole face: "the face is at rest", "nothing moves but the left brow".

A sentence is spelled as one letter a word, by what kind of word it is; turns are patterns of these letters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from expllm.core.vocabulary import ACTION_UNITS, Side
from expllm.grounding.chunks import Chunk
from expllm.grounding.claims import DegreeWord
from expllm.grounding.regions import Region, activity, regions
from expllm.grounding.signs import Sign
from expllm.grounding.statements import Statement

_ALL: Final = tuple(dict.fromkeys(unit.action for unit in ACTION_UNITS))
_SIDED: Final = tuple(dict.fromkeys(unit.action for unit in ACTION_UNITS if unit.side))
_WORDS: Final = {
    word: letter
    for letter, text in {
        "a": "everything",
        "W": "face,visage,countenance,physiognomy,features,feature,muscle,muscles,musculature,"
        "facial muscle,facial muscles,facial features,part,parts,area,region,areas,regions,zones",
        "N": "nothing,nothing at all,nothing whatever,nothing whatsoever,nothing else,and nothing else",
        "Q": "nothing going on,nothing happens,nothing happened,nothing whatever happens",
        "L": "else,otherwise",
        "F": "the rest,the rest of,rest of,remainder,remaining,other features",
        "H": "half,side,halves,sides",
        "X": "except,except for,save,save for,apart from,aside from,other than,but for,excepting,barring,"
        "excluding,bar,but,exception",
        "B": "is,are,was,were,be,been,being,remain,remains,remained,stay,stays,stayed,keep,keeps,kept,lie,"
        "lies,appear,appears,look,looks,seem,seems,do,does,did,has,have,can,there,allowed,permitted,free,able",
        "V": "show,shows,showed,showing,display,displays,displayed,exhibit,exhibits,betray,betrays",
        "Y": "seen,visible,present,evident,apparent,observed,detected,noticeable,found,discernible,"
        "perceptible,detectable,noted,recorded,visibly,scored,coded,logged",
        "J": "do nothing,does nothing,did nothing,doing nothing,do nothing at all,does nothing at all,"
        "did nothing at all,take no part,takes no part,took no part",
        "G": "flinch,flinches,flinched,alter,alters,altered,waver,wavers,wavered,quiver,quivers,quivered,"
        "vary,varies,varied,change,changes,changed,respond,responds,responded,react,reacts,reacted,response,"
        "reaction,answer,answers,answered,answering,participate,participates,participated",
        "u": "unit,units,au,aus",
        "v": "depart,departs,departed,deviate,deviates,deviated,stray,strays,strayed,leave,leaves,exceed,"
        "exceeds,exceeded,differ,differs,differed",
        "s": "code,score,record,log",
        "f": "from,between",
        "o": "wall,mask,stone,statue,marble,granite,plaster,slab,photograph",
        "g": "facial movement,facial movements,facial activity,facial motion,muscle movement,"
        "muscle movements,muscle activity",
        "t": "through,throughout,during",
        "U": "as far as,if,unless,until,till,when,once,before,after,where,what",
        "T": "that,which,who",
        "I": "it,he,she",
        "e": "find,finds,see,sees,detect,detects,observe,observes,perceive,perceives,discern,discerns,notice,"
        "notices,identify",
        "D": "the,a,an,this,of,in,on,his,her,its,their,these,any,at,all,entire,whole,every,single,facial,one,"
        "thing,observable,muscular,here,across,anywhere,of the,in the,both,each,to,above",
        "A": "completely,entirely,wholly,quite,perfectly,totally,utterly,fully,absolutely,altogether,very,"
        "almost,nearly,also,simply,currently,overall,now,virtually,practically,truly,clearly,really,actually",
    }.items()
    for word in text.split(",")
}
"""What a word is in a turn: (W) the whole, (a) everything, (N) nothing, (L) else, (F) the rest, (H) half,
(X) except, (B) is, (V) shows, (Y) to be seen, (g) facial movement, (u) unit, (v) departs, (s) to score,
(f) from, (e) somebody sees, (o) a thing that cannot move, (T) that, (I) it, (D) small words, (A) how very.
By what else is known: (P) a part or a movement with a name, (S) a side, (K) a mark, (C) and, (E) means,
(Z) not, (O) only, (R) at rest, (r) calm, (J) rests, (G) moves, (M) moves in some way, (t) through what."""

ABOUT_FACES: Final = frozenset(
    ("movement", "movements", *(word for word, letter in _WORDS.items() if letter in "aWNQFgHu"))
)
"""Words with which a sentence may speak of the face and name none of its parts."""

_RESTS: Final = frozenset("still calm relaxed slack".split())
_MOODS: Final = frozenset(
    "calm neutral serene placid quiet peace untroubled unperturbed steady silent".split()
)
"""Whoever says so of a face names its mood, and no rest."""

_BLANK: Final = frozenset(
    "blank expressionless motionless immobile unmoving inexpressive inert deadpan frozen stony wooden "
    "impassive lifeless unresponsive inactive unchanging unchanged dormant uninvolved "
    "unengaged static dead".split()
)
_VERBS: Final = frozenset(
    "is are was were remain remains stay stays stayed keep keeps kept hold holds held rests lies stands "
    "does do did doing done".split()
)
_PARTS: Final = "[DSA]*P(?:[KC]+[DSA]*P)*"
_MOVED: Final = "[DSAM]*PM*(?:[KC]+[DSAM]*PM*)*"
_BUT: Final = f"X(?P<but>{_MOVED})"
_WHOLE: Final = "(?:D*(?:F[DH]*W?|[Wa]+)(?:D+W?)?L?(?:KD+K)?|DL)"
_ALL_ELSE: Final = "(?:D*(?:F[DH]*W?|a)(?:D+W?)?L?(?:KD+K)?|DL)"
_HALF: Final = "D*SH(?:D+W)"
_REST: Final = "(?:[AB]*BA*(?P<rest>R)|A*(?P<rests>J)|[AB]*B[AD]*o|A*(?P<bare>R))"
_END: Final = "[DWAYR]*(?:f[DA]*(?:[PUM][DC]+P|[RUrW]+))?(?=[KTCEXt]|$)"
_BEGIN: Final = "(?:^|(?<=[KTCEXM]))(?:[AL]K?)?(?:D+K)?(?:TD+)?"
_IDLE: Final = (
    f"{_WHOLE}(?:K?{_BUT}K?)?{_REST}",
    f"{_ALL_ELSE}(?:K?{_BUT}K?)?[AB]*(?P<calm>r)",
    f"(?P<half>{_HALF}){_REST}",
    f"(?P<half>{_HALF})B*Z[AB]*[Gg]",
    f"[DW]*N(?:[DT]*W|DI|D*)?L?(?:{_BUT})?[AB]*(?:G|v[Df]*[Rr])",
    "B*ND[s](?:D+[WI])?",
    "(?:BB)?[DA]*(?P<noun>R)D+W",
    "D*B*Q",
    f"(?P<where>D+)K?I{_REST}",
    "(?P<where>D+K?[AB]*[Rr]D*)",
    "(?P<area>D*W)[AB]*(?P<calm>r)",
    f"(?:[UDIBA]{{0,4}}e|[UDI]{{1,2}})?Z(?:D*W(?:D+W)?B*(?:{_BUT})?[ABDL]*G|[DALY]*(?:g|G?u|G(?=D+(?:[WKTCEX]|$)|B+A*Y|f))(?:f[Rr])?(?:D+W)?(?:B+A*Y|Y)?)",
    f"{_WHOLE}[VB]?B*Z[DABV]*[Gg]",
    "D*BBZ[DAL]*[Gg]",
)
_TURNS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        *(
            f"{_BEGIN}(?:{_BUT.replace('<but>', '<before>')}(?:KT[^K]+)?K*)?{idle}{_END}"
            f"(?:K?{_BUT.replace('<but>', '<after>')}(?=[KTCE]|$))?"
            for idle in _IDLE
        ),
        f"{_BEGIN}(?:[IB]*B)?(?:O|NX)(?P<only>{_PARTS})(?:T?[AB]*G|BA*Y){_END}",
        f"{_BEGIN}(?:[IB]*B)?(?:O|NX)(?P<moving>{_HALF})(?:T?[AB]*G|BA*Y){_END}",
        f"{_BEGIN}DO(?:DTG|[Gg])A*B[AB]*D*(?P<only>{_PARTS}){_END}",
        f"{_BEGIN}[DA]*[Gg](?:D+W)?[AB]*O(?P<only>{_PARTS}){_END}",
        f"{_BEGIN}IB(?P<mover>{_PARTS})TG{_END}(?:K*Z(?P<idle>{_PARTS}){_END})?",
    )
)
_NEEDED: Final = re.compile("[aWNQFO]|Z[DAL]*[Ggu]|DL|SH|IB.*T")
_REMAINING: Final = frozenset("beyond else elsewhere other further additional more besides".split())
_WITH: Final = {"jaw": ("lips part",), "eyes": ("cheek raiser",), "lids": ("cheek raiser",)}
"""What moves with a part whether anybody says so or not."""

_NEVER_TENSE: Final = frozenset(("eye close", "lips part"))
"""What a relaxed face may do."""


@dataclass(frozen=True)
class WholeFace:
    """What a sentence says of the whole face.

    Attributes:
        statements: Its denials, and the activity of what it excepts.
        spans: First and last word of each turn: nothing else is to be read there but movements with a name.
        places: The same of the regions in them, whose words say where and not how: "from the eyes *down*".
    """

    statements: list[Statement]
    spans: list[tuple[int, int]]
    places: list[tuple[int, int]]


def whole_face(words: list[Sign], chunks: list[Chunk], told: frozenset[str]) -> WholeFace:
    """The turns of a sentence about the whole face.

    Args:
        told: Actions that the text has told by now; "the rest of the face" is what is left of it.
    """
    places = regions(words)
    letters = _spelled(words, places)
    found = WholeFace([], [], [(one.first, one.last) for one in places if one.spanning])
    if not places and not _NEEDED.search(letters):
        return found
    supposed = [c.supposed_from for c in chunks if c.supposed_from is not None]
    for turn in _TURNS:
        for match in turn.finditer(letters):
            first, last = match.span()
            taken = any(a < last and first < b for a, b in found.spans)
            where = [one for one in places if first <= one.first and one.last <= last]
            where = where or [one for one in places if _introduces(one, first, letters)]
            if match.groupdict().get("area"):  # "the upper face is calm" names its mood, as of a face
                where = [one for one in where if one.last - one.first > 1]
            needs = any(match.groupdict().get(name) for name in ("where", "area"))
            stated = first + len(match[0].rstrip("DWAY"))  # "contributes nothing *to the impression*"
            supposes = any(first <= at < stated for at in supposed)
            if taken or supposes or _eases(match, words) or (needs and not where):
                continue
            found.spans.append((first, last))
            found.places.extend((one.first, one.last) for one in where)
            here = frozenset[str]().union(*(one.actions for one in where)) if where else None
            found.statements.extend(_stated(match, words, told, here))
    return found


def _introduces(place: Region, first: int, letters: str) -> bool:
    """ "*Lower facial third*: no movement was seen", "*in the upper face*, nothing moves"."""
    between = letters[place.last : first]
    return place.last <= first and "K" in between and not set(between) - set("DKAY")


def _spelled(words: list[Sign], places: list[Region]) -> str:
    """A letter a word; a region is small words, or the noun that a face is as well."""
    letters = [*map(_letter, words)]
    for i, sign in enumerate(words):
        if sign.word == "other" and re.match("D*W", "".join(letters[i + 1 : i + 4])):
            letters[i] = "F"  # "*other* areas of the face", where "the other is relaxed" may be a brow
    for one in places:
        letters[one.first : one.last] = "D" * (one.last - one.first)
        if one.noun:
            letters[one.last - 1] = "W"
    return "".join(letters)


def _eases(match: re.Match[str], words: list[Sign]) -> bool:
    """ "His face *relaxed*" is a movement, "face motionless" none; "stillness of the face" is a noun."""
    at = max(match.start(name) if name in match.groupdict() else -1 for name in ("bare", "noun"))
    if at < 0:
        return False
    relaxes = bool(words[at].kinds & {"relaxed", "slack"})
    if match.groupdict().get("bare") and match.string[match.start()] == "T":
        return relaxes  # "with every feature resting"
    rest = bool(set(match[0]) & {"F", "L"})  # "the nose wrinkles; *remainder inert*"
    if not rest and (match.start() > 0 or any(sign.word in ("a", "an", "the") for sign in words[:at])):
        return True  # "*a* face at rest" may be anyone's; notes begin so, "face motionless"
    noun = match.groupdict().get("noun") and not words[at].word.endswith(("ness", "ity"))
    return bool(noun or relaxes)


def _letter(sign: Sign) -> str:  # noqa: PLR0911 - a return a kind
    if sign.part or sign.acts:
        return "P"
    if sign.side:
        return "S"
    if letter := _WORDS.get(sign.word):
        return letter
    if "generic" in sign.kinds and sign.has("no"):
        return "J"  # "contributes nothing"
    flags = (
        ("comma", "K"),
        ("and", "C"),
        ("or", "C"),
        ("means", "E"),
        ("only", "O"),
        ("no", "Z"),
        ("break", "T"),
    )
    if letter := next((letter for flag, letter in flags if flag in sign.flags), ""):
        return letter
    if sign.word in _MOODS:
        return "r"
    if sign.kinds & _RESTS or sign.word in _BLANK:
        return "J" if sign.word.split()[0] in _VERBS else "R"
    if sign.kinds:
        return "G" if "generic" in sign.kinds else "M"
    return "A" if sign.degree else "U"


def _stated(
    match: re.Match[str], words: list[Sign], told: frozenset[str], here: frozenset[str] | None
) -> Iterator[Statement]:
    """The statements of a turn: the activity of what is excepted, and the rest of all else.

    Args:
        here: The actions of the regions that a turn is about; None for the whole face.
    """
    groups = match.groupdict()
    moving = [name for name in ("before", "but", "after", "only", "mover") if groups.get(name)]
    spared: set[str] = set()
    for name in moving:
        for part in _parts(match, name):
            actions = activity(words[part])
            # "Except the brows, *which rise*": what moves there was said, and nothing else moves.
            said = told.intersection(actions) if name != "mover" else ()
            spared.update(said or (*actions, *_WITH.get(str(words[part].part), ())))
            if "M" not in match[name]:
                side = _side_of(match, words, name, part)
                kind = "generic" if words[part].part else "act"
                yield Statement(0, {part}, kind, kind, actions, False, side=side, only=side is not None)
    if groups.get("mover"):
        for part in _parts(match, "idle") if groups["idle"] else ():
            yield Statement(0, {part}, "face", "still", activity(words[part]), True)
        return
    if set(match[0]) & {"F", "L"} or _of_the_rest(words[: match.end()]):
        spared |= told
    half = next((name for name in ("half", "moving") if groups.get(name)), None)
    side = next((s.side for s in words[slice(*match.span(half))] if s.side), None) if half else None
    if half == "moving" and side:
        side = side.other  # "only the *left* half moves"
    actions = tuple(
        action for action in (_SIDED if half else _ALL)
        if action not in spared and (here is None or action in here)
    )  # fmt: skip
    rest = words[match.start("rest")] if groups.get("rest") else None
    easy = bool(groups.get("calm")) or (rest is not None and bool(rest.kinds & {"relaxed", "slack"}))
    neutral = bool(groups.get("calm")) and words[match.start("calm")].word == "neutral"
    if easy and not neutral:
        actions = tuple(action for action in actions if action not in _NEVER_TENSE)
    degree = DegreeWord.MODERATE if easy else None
    yield Statement(
        0, {match.start(), match.end() - 1}, "face", "still", actions, True, side=side, degree=degree
    )


def _of_the_rest(words: list[Sign]) -> bool:
    """ "*Beyond* this, nothing moves", "*apart from that*, ...", "no *other* movement"."""
    named = any(not _REMAINING.isdisjoint(sign.word.split()) for sign in words)
    return named or any(
        _WORDS.get(one.word) == "X" and two.word in ("this", "that", "these", "it")
        for one, two in pairwise(words)
    )


def _parts(match: re.Match[str], name: str) -> list[int]:
    return [i for i in range(*match.span(name)) if match.string[i] == "P"]


def _side_of(match: re.Match[str], words: list[Sign], name: str, part: int) -> Side | None:
    """The side that stands before a part: "apart from the *left* brow"."""
    for i in range(part - 1, match.start(name) - 1, -1):
        if match.string[i] in "PKC":
            return None
        if words[i].side:
            return words[i].side
    return None
