"""Stretches of a sentence between marks and linking words, and what stands in each."""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from expllm.grounding import cues
from expllm.grounding.claims import DegreeWord
from expllm.grounding.movements import TABLES
from expllm.grounding.signs import Sign

_DETERMINERS: Final = frozenset(
    "the a an his her its their this that each both left right one either two it no".split()
)
_PERCEIVED: Final = frozenset(
    "see seen say said find found notice detect observe report case true think is mean".split()
)
_NEAR: Final = 3
"""Words from "seen in" to a part of the face at most: then it speaks of this face, and not of people."""
_SUPPOSING: Final = frozenset({"general", "supposed", "like"})
_INSTEAD: Final = frozenset(("instead of", "rather than", "in place of", "as opposed to", "instead"))
_CUTS: Final = ("comma", "or", "and", "break")
_STOP: Final = Sign("", 0, 0, flags=frozenset({"comma"}))
_IF: Final = frozenset(
    (
        *"were had should would could if".split(),
        *("had she", "had he", "had it", "had they", "had the", "had there"),
        *("were she", "were he", "were the", "were there", "should the"),
    )
)
_MAY: Final = frozenset("could can may might".split())
_MODALS: Final = frozenset("will would may might can could should must shall".split())
_JOINS: Final = frozenset("accompany accompanies match matches mirror mirrors".split())
_ADJECTIVES: Final = frozenset("thin narrow hard firm slim tight stiff slender".split())
_LINES: Final = frozenset("line lines slit slits seam thread band".split())
_OF_PART: Final = frozenset(
    "as upper lower a in this of their his her its no every any some that large for the which".split()
)
_AS_FAR_AS: Final = re.compile(r"as \w+(?: \w+)? as")
_LIMITS: Final = frozenset(("until", "till"))
_IMPERSONAL: Final = frozenset(("one", "you", "we", "one would", "people", "anyone", "anybody", "somebody"))
_GOES: Final = frozenset("go goes belong belongs occur occurs mean means need needs".split())
_REPORTED: Final = frozenset(("said my", "says my"))
_FEELINGS: Final = frozenset(
    ("emotion", "emotions", "emotional", "sign of", "signs of", "impression", "sense of")
)
_NO_WAY: Final = frozenset("show generic still calm relaxed".split())
_ELSEWHERE: Final = (
    "in other ",
    "in another ",
    "in the next",
    "the next",
    "a moment",
    "in a moment",
    "in the prev",
)
"""What begins so speaks of another picture, or of another time."""
_OWN: Final = frozenset("the this these that his her their its both my".split())
_VERBS: Final = frozenset("is are was were be been has have had does do did shows show seems".split())
_UNLIKE: Final = frozenset(
    ("unlike", "in contrast to", "contrary to", "compared to", "compared with", "as opposed to")
)
_NOT_THESE: Final = frozenset(("not", "unlike", "in contrast to", "contrary to", *_INSTEAD))
_RELATIVES: Final = frozenset(("which", "where", "that", "with", "in which", "by which", "on which"))
_DEPENDS: Final = frozenset("for before after that when until till if with which who whose to unless".split())
_WAYS: Final = frozenset(
    "superiorly inferiorly laterally medially posteriorly anteriorly sideways "
    "up back down out in upward backward outward forward inward downward together upwards backwards "
    "outwards inwards downwards".split()
)
_MOODS: Final = frozenset({"still", "calm", "relaxed", "slack"})
_STATES: Final = frozenset(
    "demeanor demeanour state posture expression appearance look nature mood manner presence attitude "
    "air disposition attentiveness composure quality feeling emotion emotional stance alertness mind "
    "contemplation emotions response reaction and interest smile expressions engagement frame "
    "atmosphere impression or face facial tone setting".split()
)
"""What may be calm or relaxed without saying so of a part of the face."""

_SHOWN: Final = frozenset(part for part, table in TABLES.items() if "show" in table)


@dataclass(slots=True)
class Chunk:
    """A stretch of a sentence; indices count its signs.

    Attributes:
        opened: What opens it: start, comma, and, or, break.
        supposed_from: From here on, what it says is only supposed, or said of faces in general.
        general: It speaks of faces in general.
        nobodys: It does so whatever it calls "the" brows: "one would look for ...", "..., said my teacher".
        linked: Whether a statement was read from it.
    """

    first: int
    last: int
    opened: str
    parts: list[int] = field(default_factory=list)
    moves: list[int] = field(default_factory=list)
    acts: list[int] = field(default_factory=list)
    noes: list[int] = field(default_factory=list)
    supposed_from: int | None = None
    general: bool = False
    nobodys: bool = False
    linked: bool = False


def chunked(signs: list[Sign]) -> list[Chunk]:
    """The chunks of a sentence, with what stands in each."""
    found: list[Chunk] = []
    first, opened = 0, "start"
    for i, sign in enumerate([*signs, _STOP]):
        if sign.flags.isdisjoint(_CUTS):
            continue
        cut = next(flag for flag in _CUTS if flag in sign.flags)
        if (cut == "and" and _paired(signs, i)) or _no_break(signs, i):
            continue
        if i > first:
            found.append(Chunk(first, i, opened))
            opened = cut
        elif cut != "comma" or opened == "start":
            opened = cut
        # "nor" denies, "which" and "with" are kept to be seen
        first = i + 1 if cut in ("comma", "and") or sign.word == "or" else i
    for chunk in found:
        _look(signs, chunk)
    for c, chunk in enumerate(found):
        if _contrasted(signs, found, c):
            chunk.parts, chunk.acts, chunk.noes = [], [], []
    for c in range(1, len(found)):
        _go_back(signs, found, c)
    for before, chunk in pairwise(found):
        _go_on(signs, before, chunk)
        meant = any(signs[i].has("means") for i in range(before.first, before.last))
        if meant and chunk.opened in ("and", "or") and not chunk.parts:
            chunk.moves = []  # "suggesting calm or relaxed attention"
    return found


def _contrasted(signs: list[Sign], found: list[Chunk], c: int) -> bool:
    """ "the corners, *not the brows*, go up", "*unlike the mouth*, the brows rise": no claim of its own."""
    chunk = found[c]
    inserted = c + 1 < len(found) and found[c + 1].opened == "comma"
    if chunk.moves or not chunk.parts or not inserted or (c == 0 and signs[0].word == "not"):
        return False
    first = chunk.first + (signs[chunk.first].word in ("but", "and"))
    return signs[first].word in _NOT_THESE and (c == 0 or not found[c - 1].moves)


def names_place(signs: list[Sign], part: int) -> bool:
    """ "under *the eyes*", "toward *the brows*": where, not what moves."""
    for k in range(part - 1, max(-1, part - 4), -1):
        if signs[k].word == "it" and k < part - 1:
            return False  # "above it *the brows*"
        if signs[k].has("place"):
            return signs[k].word not in ("in", "at", "for", "on")
        if signs[k].word not in _DETERMINERS and not signs[k].side:
            return False
    return False


def _no_break(signs: list[Sign], i: int) -> bool:
    """ "waits *for*" and "cannot see *that*" go on."""
    if i >= len(signs) or signs[i].word not in ("for", "that", "after", "before", "with"):
        return False
    after = signs[i + 1].word if i + 1 < len(signs) else ""
    if signs[i].word == "with":
        return after in ("air", "breath", "wind") and bool(signs[i - 1].kinds)  # "filled *with* air"
    if signs[i].word in ("after", "before"):
        owned = after == "her" and i + 2 < len(signs) and bool(signs[i + 2].part)
        return not owned and after in ("them", "it", "him", "her", "that")  # "and both brows after them"
    if signs[i].word == "for":
        return after not in _DETERMINERS
    return after == "of" or (i > 0 and signs[i - 1].word in _PERCEIVED)


def _paired(signs: list[Sign], i: int) -> bool:
    """ "up *and* back", "in *and* up": one movement."""
    if i + 1 < len(signs) and signs[i + 1].word == "together":
        return False  # brows "pulled up *and together*" do two things
    return 0 < i < len(signs) - 1 and all(signs[k].word in _WAYS for k in (i - 1, i + 1))


def _look(signs: list[Sign], chunk: Chunk) -> None:
    """Finds what stands in a chunk."""
    for i in range(chunk.first, chunk.last):
        sign = signs[i]
        if sign.part:
            chunk.parts.append(i)
        elif sign.kinds:
            chunk.moves.append(i)
        if sign.acts and not sign.part:
            chunk.acts.append(i)
        if "no" in sign.flags:
            chunk.noes.append(i)
    _look_closer(signs, chunk)
    chunk.noes = [n for n in chunk.noes if not _denies_nothing(signs, chunk, n)]
    _look_for_limits(signs, chunk)
    chunk.moves = [i for i in chunk.moves if not _no_movement(signs, chunk, i)]
    means = next((i for i in range(chunk.first, chunk.last) if "means" in signs[i].flags), chunk.last)
    if not any(part > means for part in chunk.parts):
        chunk.moves = [i for i in chunk.moves if i < means]  # "the brows suggest heightened interest"
    _look_for_suppositions(signs, chunk)


def _look_for_limits(signs: list[Sign], chunk: Chunk) -> None:
    """ "opened *until there was no more lid to lift*", "as far *as the jaw will drop*": all that can be."""
    limit = next((i for i in range(chunk.first, chunk.last) if _AS_FAR_AS.fullmatch(signs[i].word)), None)
    ends = signs[chunk.first].word in _LIMITS and (
        chunk.noes or (chunk.opened == "break" and not chunk.parts)
    )
    if ends:
        limit = chunk.first
        least = any(signs[i].degree is DegreeWord.MINIMAL for i in range(chunk.first, chunk.last))
        if chunk.noes or least:  # "tightened until next to nothing was left of them"
            signs[chunk.first].degree = DegreeWord.STRONG
    elif limit is not None and all(signs[i].word not in _MODALS for i in range(limit, chunk.last)):
        limit = None
    if limit is not None:
        chunk.parts = [i for i in chunk.parts if i < limit]
        chunk.moves = [i for i in chunk.moves if i < limit]
        chunk.acts = [i for i in chunk.acts if i < limit]
        chunk.noes = [i for i in chunk.noes if i < limit]


def _look_for_suppositions(signs: list[Sign], chunk: Chunk) -> None:
    if signs[chunk.first].word == "what" and any(
        signs[i].has("supposed") for i in range(chunk.first, chunk.last)
    ):
        chunk.supposed_from = chunk.first  # "halfway to *what a scowl would require*"
        return
    for i in range(chunk.first, chunk.last):
        plain = signs[i].flags.isdisjoint(_SUPPOSING) and signs[i].word not in _INSTEAD
        if i > chunk.first and plain and signs[i].word != "may":
            continue
        if signs[i].word.startswith("any ") and any(n < i for n in chunk.noes):
            continue  # "missing is *any smile*" denies
        later = any(part > i for part in chunk.parts)
        here = signs[i].word.endswith(" in") and any(0 < part - i <= _NEAR for part in chunk.parts)
        if signs[i].word in _JOINS and any(n < i for n in chunk.noes):
            continue  # "the one on the right does not *accompany* it"
        if signs[i].has("general") and not here:
            chunk.supposed_from, chunk.general = chunk.first, True
            chunk.nobodys = signs[i].word in _REPORTED or signs[i].word.startswith(_ELSEWHERE)
            return
        if _inverted(signs, chunk, i) or _impersonal(signs, chunk, i):
            chunk.supposed_from, chunk.general, chunk.nobodys = chunk.first, True, True
            return
        if _hypothetical(signs, chunk, i):
            chunk.supposed_from, chunk.general = chunk.first, True
            return
        if signs[i].word == "would" and any(n < i for n in chunk.noes):
            continue  # "neither eye *would* shut" refuses
        if i > chunk.first and signs[i].word in _IF and " " in signs[i].word:
            continue  # "the left *had the* better of it"
        instead = signs[i].word in _INSTEAD and i > 0 and not _gerund(signs, chunk, i)
        if chunk.supposed_from is None and (
            _may_move(signs, chunk, i)
            or (signs[i].has("supposed") and not _gerund(signs, chunk, i))
            or instead
            or (signs[i].has("like") and not later)
        ):
            chunk.supposed_from = i


def _may_move(signs: list[Sign], chunk: Chunk, i: int) -> bool:
    """ "the brows *may* rise": they have not yet; but "a smile may be seen"."""
    after = signs[i + 1] if i + 1 < chunk.last else _STOP
    return signs[i].word == "may" and bool(after.kinds - _NO_WAY) and not after.part


def _gerund(signs: list[Sign], chunk: Chunk, i: int) -> bool:
    """ "the upper lip, *instead of lifting*, ...": denies what the part that was named might do."""
    after = signs[i + 1] if i + 1 < chunk.last else _STOP
    alone = signs[i].word in _INSTEAD and i == chunk.first
    return alone and bool(after.kinds or after.acts) and after.word.endswith("ing")


def _inverted(signs: list[Sign], chunk: Chunk, i: int) -> bool:
    """ "*Had* the jaw dropped", "*if* the lip curled"; but not "..., could point to anger"."""
    if i != chunk.first or signs[i].word not in _IF:
        return False
    after = signs[i + 1] if i + 1 < chunk.last else _STOP
    bare = " " not in signs[i].word and signs[i].word != "if"
    return (
        not bare
        or bool(after.part or after.side)
        or after.word in (*_DETERMINERS, "he", "she", "they", "there")
    )


def _modal(signs: list[Sign], chunk: Chunk) -> bool:
    return any(signs[i].word in _MODALS or signs[i].has("supposed") for i in range(chunk.first, chunk.last))


def _impersonal(signs: list[Sign], chunk: Chunk, i: int) -> bool:
    """ "*One would* look for crow's feet": whoever it is, it is not this face."""
    return i <= chunk.first + 1 and signs[i].has("supposed") and signs[chunk.first].word in _IMPERSONAL


def _hypothetical(signs: list[Sign], chunk: Chunk, i: int) -> bool:
    """ "Raised brows *would* mean surprise": no article, no verb before it, so nobody's brows."""
    after = signs[i + 1].word if i + 1 < chunk.last else ""
    if not signs[i].word.startswith("would") and not (signs[i].word in _MAY and after == "mean"):
        return False
    before = signs[chunk.first : i]
    moving = any(s.part or s.acts for s in before) and chunk.opened in ("start", "and", "or")
    return moving and not any(
        s.side or s.has("means", "no") or s.word in _VERBS or owned(signs, k)
        for k, s in enumerate(before, chunk.first)
    )


def owned(signs: list[Sign], i: int) -> bool:
    """Whether a word makes a movement this face's: "*the* raised brows", but not "a lift of *the* brows"."""
    return signs[i].word in _OWN and not (i > 0 and signs[i - 1].word == "of")


def _go_back(signs: list[Sign], found: list[Chunk], c: int) -> None:
    """ "*Raised brows*, in novels as in life, go often with surprise": its subject is general as well."""
    chunk = found[c]
    words = {signs[i].word for i in range(chunk.first, chunk.last)}
    reported = not words.isdisjoint(_REPORTED)
    joined = chunk.opened in ("and", "or") and bool(chunk.parts)
    told = reported or joined or (not chunk.parts and not words.isdisjoint(_GOES))
    if not chunk.general or not told:
        return
    for k in range(c - 1, -1, -1):
        earlier = found[k]
        if not reported and (found[k + 1].opened not in ("comma", "and", "or") or earlier.noes):
            return
        inside = range(earlier.first, earlier.last)
        theirs = any(
            signs[i].side or owned(signs, i) or signs[i].word in _VERBS or signs[i].has("means")
            for i in inside
        )
        if earlier.supposed_from is None and (reported or not theirs):
            earlier.supposed_from, earlier.general, earlier.nobodys = earlier.first, True, reported
        if (earlier.parts or earlier.acts) and not reported:
            return


def _look_closer(signs: list[Sign], chunk: Chunk) -> None:
    """ "the skin *beneath the eye*", "the mouth *at its ends*": the nearer name of two."""
    names = {signs[p].part for p in chunk.parts}
    if "corners" in names:
        chunk.parts = [p for p in chunk.parts if signs[p].part not in ("mouth", "lips")]
    for p in chunk.parts:
        if signs[p].part == "lids" and _beneath_an_eye(signs, chunk, p):
            signs[p].part = "lower lids"
        before = signs[max(chunk.first, p - 3) : p]
        moved = any(sign.kinds for sign in before)  # "beside the *pressed* lips, one finds": what else moves
        near = set[str]() if moved else {sign.word for sign in before}
        if signs[p].part == "eyes" and near & {"under", "beneath", "below", "underneath"}:
            signs[p].part = "under eyes"
        elif signs[p].part == "eyes" and near & {"around", "beside", "near", "next to"}:
            signs[p].part = "eye corners"
        elif signs[p].part in ("mouth", "lips") and "beside" in near:
            signs[p].part = "corners"


def _beneath_an_eye(signs: list[Sign], chunk: Chunk, part: int) -> bool:
    """ "beneath each iris *the lid*"."""
    words = [signs[k].word for k in range(chunk.first, part)]
    return bool({"beneath", "under", "below", "underneath"} & {*words}) and bool(
        {"iris", "eye", "eyes", "pupil", "eyeball"} & {*words}
    )


def _denies_nothing(signs: list[Sign], chunk: Chunk, no: int) -> bool:
    """ "does *not detract* from the smile": the movement takes place all the same."""
    near = [signs[i] for i in range(no + 1, min(no + 4, chunk.last))]
    word = signs[no].word
    within = signs[no + 2 : no + 6] if word == "nothing" and near and near[0].word == "in" else []
    if any(sign.kinds - {"generic"} for sign in within):
        return True  # "nothing in the raised brows adds up to surprise"
    # "no lip pucker suggests ..." denies the pucker; "does not suggest" denies nothing of it
    moving = next((k for k, sign in enumerate(near) if sign.part or sign.kinds or sign.acts), len(near))
    noun = word in ("no", "without")  # "no such *change*" on the other side
    if noun or word.endswith((" no", "of")) or word.startswith("no "):
        near = [sign for sign in near if sign.word not in _FEELINGS]  # "no signs of negative *emotions*, "
        "such as"
        moving = min(moving, len(near))
    effect = any(
        sign.word in cues.IMPACT and not (noun and sign.word == "change") for sign in near[: moving + 1]
    )
    return effect or any(sign.has("means") and sign.word not in _JOINS for sign in near[:moving])


def _no_movement(signs: list[Sign], chunk: Chunk, i: int) -> bool:  # noqa: PLR0911 - a return a rule
    sign, before = signs[i], signs[i - 1] if i > chunk.first else Sign("", 0, 0)
    after = signs[i + 1].word if i + 1 < chunk.last else ""
    if sign.side:
        jaw = any(signs[p].part == "jaw" for p in chunk.parts)
        return not jaw and not (chunk.noes and not chunk.parts and not chunk.acts)
    if sign.kinds == {"show"} and after == "by" and before.word == "as":
        return True  # "as *shown by* the smooth forehead"
    if sign.kinds == {"show"}:
        return not any(signs[p].part in _SHOWN for p in chunk.parts)
    if sign.word in ("in", "inside"):
        leads = bool(before.kinds & {"pull", "suck", "curve", "inward"}) or (
            before.word == "" and after in ("goes", "go", "come", "comes", "went", "slips")
        )
        return not (leads or after == "over") or after in _DETERMINERS
    if sign.word == "out":
        return not (
            before.kinds & {"pull", "stretch", "puff", "thrust", "pucker", "curve"}
            or chunk.last - chunk.first <= 3
        )
    if sign.kinds & {*_MOODS, "tense"} and (after in _STATES or before.has("means") or before.word == "as"):
        return True
    if sign.kinds <= {"generic", "shift"} and chunk.noes and not sign.has("no"):
        far = 8 if any(signs[n].word == "nothing" or _of_no_part(signs, n) for n in chunk.noes) else 4
        return not any(0 < i - n <= far or n > i for n in chunk.noes)
    described = sign.word in _ADJECTIVES and before.word in ("a", "an", "the")
    if described and not _ends_or_moves(signs, chunk, i):
        return True  # "and a *thin* dark gap"
    moody = bool(sign.kinds & {*_MOODS, "tense"}) and " " not in sign.word and "narrow" not in sign.kinds
    mood = moody and not chunk.parts and not chunk.noes
    if mood and before.word in ("a", "an", "from", "of", "in"):
        return True  # "presumably from *relaxed* pleasure"
    if sign.word == "together" and i + 1 < len(signs) and signs[i + 1].has("means"):
        return True
    if sign.word == "part":
        noun = i + 1 < len(signs) and signs[i + 1].word.split()[0] == "of"  # "the red *part of* the lips"
        return noun or before.word in _OF_PART
    return False


def _of_no_part(signs: list[Sign], no: int) -> bool:
    """ "*no part of* the mouth moves"."""
    return signs[no].word == "no" and no + 1 < len(signs) and signs[no + 1].word == "part"


def _ends_or_moves(signs: list[Sign], chunk: Chunk, i: int) -> bool:
    """Whether a word ends its chunk, or stands before a part, a line or a movement."""
    after = signs[i + 1] if i + 1 < chunk.last else _STOP
    return bool(after.part or after.kinds or after.acts) or after is _STOP or after.word in _LINES


def _go_on(signs: list[Sign], before: Chunk, chunk: Chunk) -> None:
    """A supposition reaches through "and" and "or", a general statement through "which", too."""
    if before.supposed_from is None or chunk.supposed_from is not None:
        return
    opens = {signs[i].word for i in range(chunk.first, min(chunk.first + 2, chunk.last))}
    if (
        chunk.opened == "and"
        and signs[chunk.first].word in ("the", "his", "her", "it", "this")
        and not before.general
    ):
        return
    modal = chunk.opened == "comma" and _inverted(signs, before, before.first) and _modal(signs, chunk)
    if modal:
        chunk.supposed_from = chunk.first  # "should the palsy progress, the eye *may* no longer close"
        return
    if before.nobodys and before.supposed_from == before.first and opens & _DEPENDS:
        chunk.supposed_from, chunk.general, chunk.nobodys = chunk.first, True, True
        return
    if signs[before.first].word in _UNLIKE and opens & _RELATIVES:
        chunk.supposed_from, chunk.general, chunk.nobodys = chunk.first, True, True
        return  # "unlike happiness, *which involves* lifted corners"
    if signs[before.supposed_from].has("like"):
        return
    when = before.general and before.opened == "start" and signs[before.first].word.startswith("when")
    if chunk.opened in ("and", "or") or when or (before.general and opens & _RELATIVES):
        chunk.supposed_from, chunk.general = chunk.first, before.general
        chunk.nobodys = before.nobodys or (before.general and any(word.endswith(" which") for word in opens))
