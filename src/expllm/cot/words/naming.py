"""Movements in words: a clause, a noun with its degree, a short reference.

Every function returns text for exactly the sites and degrees of its observation. A `Voice` that knows the
vector alone, and not the label, gives a movement the same name throughout a text.
"""

from collections.abc import Sequence

from expllm.cot.words import word_tables
from expllm.cot.words.grammar import Voice, say, with_article
from expllm.cot.words.observations import Degree, Observation


def part_name(part: str, voice: Voice) -> tuple[str, str]:
    """What a part of the face is called in this text: one, and several (empty where there is only one)."""
    one, _, several = voice.pick(f"part {part}", word_tables.part_names()[part]).partition("|")
    return one, several


def part(observation: Observation, voice: Voice) -> tuple[str, bool]:
    """What moves, with its article ("both brows", "the left lip corner"), and whether it is plural."""
    one, several = part_name(word_tables.movements()[observation.movement].part, voice)
    if not several or observation.movement == "jaw slide":
        return f"the {one}", False
    if len(observation.sites) == 2:
        return f"both {several}", True
    place = observation.sites[0].place
    return (f"the {place} {one}", False) if place else (f"the {several}", True)


def adverb(observation: Observation, degree: Degree, voice: Voice) -> str:
    """The adverb of a degree."""
    own = word_tables.movements()[observation.movement].how.get(degree.name.lower())
    words = own or word_tables.degrees()[degree.name.lower()]["adverb"]
    return voice.pick(f"adverb {degree} {observation.movement}", words)


def adjective(observation: Observation, degrees: Sequence[Degree], voice: Voice) -> str:
    """The adjective of a degree, or of a span of two: "moderate to marked"."""
    words = [
        voice.pick(
            f"adjective {degree} {observation.movement}",
            word_tables.degrees()[degree.name.lower()]["adjective"],
        )
        for degree in degrees
    ]
    return " to ".join(dict.fromkeys((words[0], words[-1])))


def clause(observation: Observation, voice: Voice) -> str:
    """A main clause: "both brows are lowered, strongly on the left and slightly on the right"."""
    subject, plural = part(observation, voice)
    if observation.alone and observation.movement != "jaw slide":
        subject = voice.pick("alone", word_tables.frames("observations")["alone"]).format(subject)
    degrees, tail = observation.degrees, ""
    if not observation.even:
        words = [adverb(observation, s.degree, voice) for s in observation.sites]
        tail = _comparison(observation, words)
        degrees = degrees if len(degrees) == 1 else ()
    adverbs = " to ".join(adverb(observation, degree, voice) for degree in degrees)
    frame = voice.pick(
        f"clause {observation.movement}", word_tables.movements()[observation.movement].clauses
    )
    return say(frame, plural, part=subject, how=adverbs, to=_to(observation)) + tail


def noun(observation: Observation, voice: Voice) -> str:
    """A noun with its degree: "a marked lowering of both brows"."""
    where, _ = part(observation, voice)
    name = voice.pick(f"noun {observation.movement}", word_tables.movements()[observation.movement].nouns)
    to = f" to {_to(observation)}" if observation.movement == "jaw slide" else ""
    alone = ", one-sided" if observation.alone and observation.one_sided and not to else ""
    if observation.even:
        degree = adjective(observation, observation.degrees, voice)
        return with_article(f"{degree}{alone} {name} of {where}{to}")
    adjectives = [adjective(observation, [site.degree], voice) for site in observation.sites]
    kind = adjectives[0] if adjectives[0] == adjectives[1] else "uneven"
    return with_article(f"{kind} {name} of {where}{to}") + _comparison(observation, adjectives)


def short_name(observation: Observation, voice: Voice) -> tuple[str, bool]:
    """A short name that is true at any degree ("the lowered brows"), and whether it is plural."""
    where, plural = part(observation, voice)
    how = state(observation, voice)
    if observation.movement == "eye close" and min(observation.degrees) >= Degree.STRONG:
        how = "closed"
    if len(observation.sites) == 2 and observation.one_sided:
        how = f"unevenly {how}"
    return f"the {how} {where.removeprefix('both ').removeprefix('the ')}", plural


def state(observation: Observation, voice: Voice) -> str:
    """A participle that is true at any degree: "lowered"."""
    return voice.pick(f"state {observation.movement}", word_tables.movements()[observation.movement].states)


def _comparison(observation: Observation, words: Sequence[str]) -> str:
    """``, markedly on the left and slightly on the right``, or ``, more on the left than on the right``."""
    pattern = word_tables.movements()[observation.movement].where
    first, second = (pattern.format(site.place) for site in observation.sites)
    if words[0] == words[1]:
        return f", more {first} than {second}"
    return f", {words[0]} {first} and {words[1]} {second}"


def _to(observation: Observation) -> str:
    return "both sides" if len(observation.sites) == 2 else f"the {observation.sites[0].place}"
