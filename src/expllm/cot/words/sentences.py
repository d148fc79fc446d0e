"""Observations in words: clauses, nouns and references, and the first part of an explanation.

The leading observations get a sentence of their own with what they may mean; the others share sentences by
degree. Every function returns text for exactly the sites and degrees of its observations.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from expllm.cot.words.frames import (
    AT_REST,
    DOMINANT,
    FAINT_TAILS,
    FAINT_VERBS,
    FIRST,
    LINKS,
    LISTS,
    NOTHING,
    NOTHING_MORE,
    PAIRED,
    PARTIAL,
    SECOND_LIST,
    TAILS,
    TRACES,
    VERBS,
)
from expllm.cot.words.observations import Degree, Observation, Observations, Site, evidence
from expllm.cot.words.phrases import (
    ADJECTIVES,
    ADVERBS,
    PLURAL_PARTS,
    WORDS,
    Voice,
    join,
    say,
    sentence,
    with_article,
)
from expllm.grounding import Half, half_of

REST: Final[dict[str, frozenset[str]]] = {
    "the brows": frozenset({"brow lower", "brow raise"}),
    "the lip corners": frozenset({"lip corner pull", "lip corner stretch"}),
    "the upper lids": frozenset({"lid raise", "eye close"}),
    "the jaw": frozenset({"jaw drop", "jaw slide", "jaw thrust"}),
    "the nose": frozenset({"nose wrinkle"}),
}
"""Parts that may be called at rest, and the movements that must have been measured as absent for it."""

PARTLY_MEASURED: Final = 16
"""With at most so many of the 24 units measured, a text says that it rests on part of the face."""


def part(observation: Observation) -> tuple[str, bool]:
    """What moves, with its article ("both brows", "the left lip corner"), and whether it is plural."""
    one, both = WORDS[observation.movement].part
    if not both or observation.movement == "jaw slide":
        return f"the {one}", one in PLURAL_PARTS
    if len(observation.sites) == 2:
        return f"both {both}", True
    return f"the {observation.sites[0].place} {one}", False


def _to(observation: Observation) -> str:
    return "both sides" if len(observation.sites) == 2 else f"the {observation.sites[0].place}"


def adverb(observation: Observation, degree: Degree, voice: Voice) -> str:
    """The adverb of a degree."""
    own = WORDS[observation.movement].how.get(degree)
    return voice.pick(f"adverb {degree} {observation.movement}", own or ADVERBS[degree])


def adjective(degrees: Sequence[Degree], voice: Voice) -> str:
    """The adjective of a degree, or of a span of two: "moderate to marked"."""
    words = [voice.pick(f"adjective {degree}", ADJECTIVES[degree]) for degree in degrees]
    return " to ".join(dict.fromkeys((words[0], words[-1])))


def clause(observation: Observation, voice: Voice, how: bool = True) -> str:
    """A main clause, no full stop: "both brows are lowered, strongly on the left and slightly on the right".

    With `how` False, the degree stands elsewhere in the sentence.
    """
    subject, plural = part(observation)
    if how and observation.alone and observation.movement != "jaw slide":
        subject = voice.pick("alone", ("only {}", "{} alone")).format(subject)
    degrees, tail = observation.degrees, ""
    if how and not observation.even:
        tail = _comparison(observation, [adverb(observation, s.degree, voice) for s in observation.sites])
        degrees = degrees if len(degrees) == 1 else ()
    adverbs = [adverb(observation, degree, voice) for degree in degrees] if how else []
    frame = voice.pick(observation.movement, WORDS[observation.movement].clauses)
    return say(frame, plural, part=subject, how=" to ".join(adverbs), to=_to(observation)) + tail


def _comparison(observation: Observation, words: Sequence[str]) -> str:
    """``, markedly on the left and slightly on the right``, or ``, more on the left than on the right``."""
    first, second = (WORDS[observation.movement].where.format(site.place) for site in observation.sites)
    if words[0] == words[1]:
        return f", more {first} than {second}"
    return f", {words[0]} {first} and {words[1]} {second}"


def noun(observation: Observation, voice: Voice) -> str:
    """A noun with its degree: "a marked lowering of both brows"."""
    words = WORDS[observation.movement]
    where, _ = part(observation)
    to = f" to {_to(observation)}" if observation.movement == "jaw slide" else ""
    alone = ", one-sided" if observation.alone and observation.one_sided and not to else ""
    if observation.even:
        return with_article(f"{adjective(observation.degrees, voice)}{alone} {words.noun} of {where}{to}")
    adjectives = [adjective([site.degree], voice) for site in observation.sites]
    kind = adjectives[0] if adjectives[0] == adjectives[1] else "uneven"
    return with_article(f"{kind} {words.noun} of {where}{to}") + _comparison(observation, adjectives)


def reference(observation: Observation) -> tuple[str, bool]:
    """A short name that is true at any degree ("the lowered brows"), and whether it is plural."""
    where, plural = part(observation)
    state = WORDS[observation.movement].state
    if observation.movement == "eye close" and min(observation.degrees) >= Degree.STRONG:
        state = "closed"
    if len(observation.sites) == 2 and observation.one_sided:
        state = f"unevenly {state}"
    return f"the {state} {where.removeprefix('both ').removeprefix('the ')}", plural


def meaning(observation: Observation, told: Sequence[Observation], voice: Voice, turn: int = 0) -> str:
    """What the movement may stand for beside the others: never more than a possibility."""
    meanings = WORDS[observation.movement].meanings
    enough = [o for o in told if o.degree >= Degree.MODERATE and o.intensity >= observation.intensity / 2]
    beside = [o.movement for o in enough if not o.one_sided]
    if observation.one_sided:
        beside = ["one-sided", *beside]
    key = next((key for key in meanings if key in beside), "")
    return voice.pick(f"meaning {observation.movement}", meanings[key], turn)


def _meanings(told: Sequence[Observation], count: int, voice: Voice) -> list[str]:
    """The meanings of the first `count` observations, each in other words where the table allows it."""
    chosen: list[str] = []
    for observation in told[:count]:
        choice = [meaning(observation, told, voice, turn) for turn in range(4)]
        chosen.append(next((m for m in choice if m not in chosen), choice[0]))
    return chosen


def _lead(place: int, told: Sequence[Observation], seen: Sequence[Observation], voice: Voice) -> str:
    """A sentence on the observation at `place`, with what it may mean."""
    observation = told[place]
    faint = observation.degree is Degree.SLIGHT
    m = _meanings(told, place + 1, voice)[place]
    tail = voice.pick("tail", FAINT_TAILS if faint else TAILS, place).format(m=m)
    verb = voice.pick("verb", FAINT_VERBS if faint else VERBS, place).format(m=m)
    name, comma = noun(observation, voice), "" if observation.even else ","
    form = voice.pick("form", ("clause", "noun", "first", "noun"), place)
    highest = len(seen) > 1 and observation.intensity == max(o.intensity for o in seen)
    if form == "first" and place == 0 and highest:
        return sentence(voice.pick("first", FIRST if faint else DOMINANT).format(noun=name, tail=tail))
    if form == "noun":
        return sentence(_link(place, told, voice) + f"{name}{comma} {verb}")
    if form == "first":
        return sentence(_link(place, told, voice) + f"there is {name}, {tail}")
    return sentence(_link(place, told, voice) + f"{clause(observation, voice)}, {tail}")


def _link(place: int, told: Sequence[Observation], voice: Voice) -> str:
    """How a sentence joins the one before it."""
    if place == 0:
        return ""
    half = half_of(told[place].movement)
    if half is not half_of(told[place - 1].movement):
        way = "Higher up, " if half is Half.UPPER else "Further down, "
        return voice.pick("region", (f"In the {half} face, ", "", way, f"As for the {half} face, "), place)
    return voice.pick("link", LINKS, place)


def _paired(told: Sequence[Observation], voice: Voice) -> str | None:
    """One sentence on the first two observations where both speak most for the same expression."""
    if len(told) < 2 or not (told[0].even and told[1].even) or not told[0].emotions:
        return None
    emotion = told[0].emotions[0]
    weak = any(o.degree < Degree.MODERATE or evidence(o, told).get(emotion, 0) < 0.4 for o in told[:2])
    if weak or told[1].emotions[:1] != (emotion,) or voice.pick("pair", ("yes", "no", "yes")) == "no":
        return None
    tail = voice.pick("paired", PAIRED).format(e=emotion)
    return sentence(f"{clause(told[0], voice)} and {clause(told[1], voice)}, {tail}")


def _groups(rest: Sequence[Observation]) -> list[tuple[tuple[Degree, ...], list[Observation]]]:
    """The observations by degree, the highest first; an uneven pair is divided into its two sites."""
    single: list[Observation] = []
    for o in rest:
        together = o.even or len(o.degrees) == 1
        split: Sequence[Sequence[Site]] = [o.sites] if together else [[site] for site in o.sites]
        single += [Observation(o.movement, tuple(sites), o.alone) for sites in split]
    single.sort(key=lambda o: o.degrees, reverse=True)  # stable: salience decides within a degree
    return [(degrees, list(group)) for degrees, group in groupby(single, key=lambda o: o.degrees)]


def _listed(rest: Sequence[Observation], voice: Voice) -> list[str]:
    """The other observations: one clause a degree, two clauses a sentence."""
    pieces = [
        _degree_group(degrees, group, voice, turn) for turn, (degrees, group) in enumerate(_groups(rest))
    ]
    return [sentence(", while ".join(pieces[i : i + 2])) for i in range(0, len(pieces), 2)]


def _degree_group(degrees: Sequence[Degree], group: Sequence[Observation], voice: Voice, turn: int) -> str:
    """One clause, without capital and full stop, on movements of the same degree."""
    if len(group) == 1:
        return clause(group[0], voice)
    word = adjective(degrees, voice)
    frame = SECOND_LIST if turn % 2 else voice.pick("list", LISTS, turn)
    return say(
        frame,
        plural=True,
        article=with_article(word),
        adjective=word,
        nouns=join([f"the {_bare_noun(o)}" for o in group]),
        clauses=join([clause(o, voice, how=False) for o in group]),
    )


def _bare_noun(observation: Observation) -> str:
    to = f" to {_to(observation)}" if observation.movement == "jaw slide" else ""
    return f"{WORDS[observation.movement].noun} of {part(observation)[0]}{to}"


def _resting(observations: Observations, voice: Voice) -> str | None:
    """A sentence on parts that were measured and are at rest, at most three of them."""
    names = [name for name, movements in REST.items() if movements <= observations.absent]
    if len(names) < 2:
        return None
    start = len(voice.pick("rest start", ("", "x", "xx", "xxx"))) % len(names)
    chosen = (names[start:] + names[:start])[: len(voice.pick("rest count", ("xx", "xxx")))]
    chosen.sort(key=list(REST).index)
    frame = voice.pick("rest", AT_REST)
    return sentence(say(frame, len(chosen) > 1 or chosen[0].endswith("s"), parts=join(chosen)))


def observe(observations: Observations, leads: int = 3, keep: int | None = None) -> str:
    """The Key Observations: `leads` movements with their meanings, the others up to `keep` listed."""
    voice = Voice(observations.seed)
    if not observations.measured:
        return "No facial movement could be measured in this picture."
    told = observations.seen[:keep]
    lines: list[str] = []
    if not told:
        lines = [
            voice.pick("nothing", NOTHING)
            + (voice.pick("traces", TRACES) if observations.traces else "")
            + "."
        ]
    elif leads >= 2 and (pair := _paired(told, voice)):
        lines = [pair, *(_lead(i, told, observations.seen, voice) for i in range(2, min(leads, len(told))))]
    else:
        lines = [_lead(i, told, observations.seen, voice) for i in range(min(leads, len(told)))]
    lines += _listed(told[leads:], voice)
    if len(observations.seen) <= 3 and leads >= 2:
        rest = _resting(observations, voice)
        more = sentence(voice.pick("more", NOTHING_MORE)) if told else None
        lines += [line for line in (rest, more) if line][: len(voice.pick("both", ("x", "xx")))]
    if observations.measured <= PARTLY_MEASURED:
        lines.append(sentence(voice.pick("partial", PARTIAL)))
    return " ".join(lines)
