"""The first part of an explanation: what is seen, and what each movement may mean.

The leading observations get a sentence of their own with what they may mean; two that mean something together
share one, and the others follow by degree.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Final

from expllm.core.vocabulary import Expression
from expllm.cot.words import word_tables
from expllm.cot.words.grammar import Voice, join_items, say, sentence
from expllm.cot.words.naming import clause, noun, part_name
from expllm.cot.words.observations import (
    Degree,
    Observation,
    Observations,
    Site,
    company,
    expression_evidence,
)
from expllm.grounding import Half, half_of

_REST: Final[Mapping[str, frozenset[str]]] = {
    "brow": frozenset({"brow lower", "brow raise"}),
    "upper lid": frozenset({"lid raise", "eye close"}),
    "nose": frozenset({"nose wrinkle"}),
    "corner": frozenset({"lip corner pull", "lip corner stretch"}),
    "jaw": frozenset({"jaw drop", "jaw slide", "jaw thrust"}),
}
"""Parts that may be called at rest, and the movements that must have been measured as absent for it."""


def observe(observations: Observations, leads: int = 3, keep: int | None = None) -> str:
    """The Key Observations: `leads` movements with their meanings, the others up to `keep` listed."""
    voice, frames = Voice(observations.seed), word_tables.frames("observations")
    if not observations.measured:
        return sentence(voice.pick("unmeasured", frames["unmeasured"]))
    told = observations.seen[:keep]
    lines = _told(observations, told, leads, voice) if told else [_nothing(observations, voice)]
    if len(observations.seen) <= 3 and leads >= 2:
        lines += _at_rest(observations, bool(told), voice)
    return " ".join(lines)


def _told(observations: Observations, told: Sequence[Observation], leads: int, voice: Voice) -> list[str]:
    """The sentences about movements."""
    lines: list[str] = []
    pair = _pair(told, leads, voice) if leads >= 2 else None
    if pair:
        lines.append(_paired(pair, told, voice))
        told = [*pair, *(o for o in told if o not in pair)]
    highest = max(o.intensity for o in observations.seen)
    alone = len(observations.seen) == 1
    chosen: list[str] = []
    for place, observation in enumerate(told[:leads]):
        if pair and place < 2:
            continue
        chosen.append(_meaning(observation, told, chosen, voice))
        strongest = observation.intensity == highest and not alone and not pair
        lines.append(_lead(place, told, chosen[-1], strongest, voice))
    return [*lines, *_listed(told[leads:], voice)]


def _meaning(
    observation: Observation, told: Sequence[Observation], chosen: Sequence[str], voice: Voice
) -> str:
    """What the movement may stand for beside the others, in words that were not used before if possible."""
    clear = [o for o in told if o.intensity >= observation.intensity / 2]
    row = word_tables.meanings()[observation.movement].among(company(observation, clear))
    choice = [voice.pick(f"meaning {observation.movement}", row.may, turn) for turn in range(6)]
    used = {word for m in chosen for word in m.split()} - {"or", "a", "an", "the", "of"}
    return next((m for m in choice if not used & set(m.split())), choice[0])


def _lead(place: int, told: Sequence[Observation], m: str, strongest: bool, voice: Voice) -> str:
    """A sentence on the observation at `place`, with what it may mean."""
    observation, frames = told[place], word_tables.frames("observations")
    faint = "faint_" if observation.degree is Degree.SLIGHT else ""
    tail = voice.pick("tail", frames[f"{faint}tails"], place).format(m=m)
    form = voice.pick("form", ("clause", "noun", "frame", "noun"), place)
    if form == "noun":
        comma = "" if observation.even else ","
        verb = voice.pick("verb", frames[f"{faint}verbs"], place).format(m=m)
        return sentence(f"{_link(place, told, voice)}{noun(observation, voice)}{comma} {verb}")
    if form == "clause":
        return sentence(f"{_link(place, told, voice)}{clause(observation, voice)}, {tail}")
    if place:
        kinds = frames["joining"]
    elif strongest:
        kinds = frames["first"] if faint else (*frames["first"], *frames["dominant"])
    else:
        kinds = frames["opening"]
    return sentence(voice.pick("frame", kinds, place).format(noun=noun(observation, voice), tail=tail))


def _link(place: int, told: Sequence[Observation], voice: Voice) -> str:
    """How a sentence joins the one before it."""
    if place == 0:
        return ""
    half = half_of(told[place].movement)
    if half is half_of(told[place - 1].movement):
        kind = "links"
    else:
        kind = "upper_links" if half is Half.UPPER else "lower_links"
    return voice.pick("link", word_tables.frames("observations")[kind], place)


def _pair(told: Sequence[Observation], leads: int, voice: Voice) -> tuple[Observation, Observation] | None:
    """Two movements that mean something together, or the first two where both speak most for the same."""
    first = told[:leads]
    clear = {o.movement: o for o in first if o.even and o.degree >= Degree.MODERATE and not o.one_sided}
    if row := _combination(clear.keys(), told):
        return clear[row.movements[0]], clear[row.movements[1]]
    if not {o.movement for o in told[:2]} <= clear.keys() or voice.pick("pair", ("yes", "no", "yes")) == "no":
        return None
    return (told[0], told[1]) if _shared(told) else None


def _combination(movements: Set[str], told: Sequence[Observation]) -> word_tables.Combination | None:
    """The first row of ``meanings.toml`` on two of these movements."""
    beside = {o.movement for o in told}
    rows = (row for row in word_tables.combinations() if set(row.movements) <= movements)
    return next((row for row in rows if row.unless not in beside), None)


def _shared(told: Sequence[Observation]) -> Expression | None:
    """The expression that the first two movements both speak for most."""
    if len(told) < 2 or not told[0].emotions or told[1].emotions[:1] != told[0].emotions[:1]:
        return None
    emotion = told[0].emotions[0]
    enough = all(expression_evidence(o, told).get(emotion, 0) >= 0.4 for o in told[:2])
    return emotion if enough else None


def _paired(pair: tuple[Observation, Observation], told: Sequence[Observation], voice: Voice) -> str:
    """One sentence on two movements and what they mean together."""
    row = _combination({o.movement for o in pair}, told)
    says = row.says if row else word_tables.frames("observations")["paired"]
    tail = voice.pick("paired", says).format(e=_shared(pair))
    return sentence(f"{clause(pair[0], voice)} and {clause(pair[1], voice)}, {tail}")


def _listed(rest: Sequence[Observation], voice: Voice) -> list[str]:
    """The other observations, the stronger first: as nouns, or as clauses of which two make a sentence."""
    single = _single(rest)
    if voice.pick("listed as", ("clauses", "nouns", "clauses")) == "nouns" and 1 < len(single) <= 4:
        nouns = [noun(o, voice) for o in single]
        frame = voice.pick("listed", word_tables.frames("observations")["listed"])
        return [sentence(say(frame, True, nouns=join_items(nouns)))]
    clauses = [clause(o, voice) for o in single]
    return [_joined(clauses[i : i + 2], voice, i) for i in range(0, len(clauses), 2)]


def _joined(clauses: Sequence[str], voice: Voice, turn: int) -> str:
    """One or two clauses as a sentence; one with a comma of its own is kept apart."""
    links = (", while ", ", and ") if "," in clauses[0] else (" and ", ", while ", ", and ")
    return sentence(voice.pick("and", links, turn).join(clauses))


def _single(rest: Sequence[Observation]) -> list[Observation]:
    """The observations by degree, the highest first; an uneven pair is divided into its two sites."""
    single: list[Observation] = []
    for o in rest:
        together = o.even or len(o.degrees) == 1
        split: Sequence[Sequence[Site]] = [o.sites] if together else [[site] for site in o.sites]
        single += [Observation(o.movement, tuple(sites), o.alone) for sites in split]
    return sorted(single, key=lambda o: o.degrees, reverse=True)  # stable: salience decides within a degree


def _nothing(observations: Observations, voice: Voice) -> str:
    """A sentence on a face in which no measured movement is worth a word."""
    frames = word_tables.frames("observations")
    traces = voice.pick("traces", frames["traces"]) if observations.traces else ""
    return sentence(voice.pick("nothing", frames["nothing"]) + traces)


ELSEWHERE_LEAST: Final = 3
"""How many movements must have been measured as absent before a text says that nothing else moves."""


def _at_rest(observations: Observations, told: bool, voice: Voice) -> list[str]:
    """At most one sentence, where movements were told, on what was measured and does not move."""
    known = told and len(observations.absent) >= ELSEWHERE_LEAST  # "elsewhere" is more than one place
    more = sentence(voice.pick("more", word_tables.frames("observations")["nothing_more"])) if known else None
    lines = [line for line in (_resting(observations, voice), more) if line]
    return lines[: int(voice.pick("rest lines", ("0", "1", "1")))]


def _resting(observations: Observations, voice: Voice) -> str | None:
    """A sentence on parts that were measured and are at rest, at most three of them."""
    moving = {word_tables.movements()[o.movement].part for o in observations.seen}
    resting = [name for name, needed in _REST.items() if needed <= observations.absent and name not in moving]
    if len(resting) < 2:
        return None
    start = int(voice.pick("rest start", "0123")) % len(resting)
    chosen = (resting[start:] + resting[:start])[: int(voice.pick("rest count", "23"))]
    chosen.sort(key=list(_REST).index)
    names = [part_name(name, voice) for name in chosen]
    frame = voice.pick("rest", word_tables.frames("observations")["at_rest"])
    parts = join_items([f"the {several or one}" for one, several in names])
    return sentence(say(frame, len(names) > 1, parts=parts))
