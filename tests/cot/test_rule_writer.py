"""The offline writer: every text short, plain, repeatable, and true to its vector."""

import json
import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expllm.core.records import CoT
from expllm.core.vocabulary import AU_BY_NAME, AU_NAMES, FEAFA_NAMES, AUVector, Expression, Side
from expllm.cot.format_check import WORD_LIMIT
from expllm.cot.rule_writer import (
    DEGREES,
    Degree,
    Fit,
    conclude,
    degree_word,
    describe,
    fit,
    interpret,
    observe,
    write_cot,
)
from expllm.cot.words import word_tables
from expllm.cot.words.observations import AT_REST, MOVEMENTS
from expllm.grounding import audit
from expllm.grounding.audit import WRONG
from expllm.grounding.checking import MENTION

ROOT: Final = Path(__file__).parents[2]

PRONOUNS: Final = re.compile(
    r"\b(he|him|his|she|her|hers|they|them|their|theirs|it|its|itself|we|us|our|ours|you|your|yours|i|me|my"
    r"|mine|himself|herself|themselves|oneself|someone|person's)\b",
    re.IGNORECASE,
)

CORNER: Final = r"(?:lip corners?|mouth corners?|corners? of the mouth)"
WHICH: Final = r"(?:the |both |left |right )*"
VOCABULARY: Final[dict[str, str]] = {
    "eye close": r"closure|closed",
    "lid raise": rf"(?:raised|lifted) {WHICH}upper (?:eye)?lid|(?:raising|lift) of {WHICH}upper (?:eye)?lid",
    "lid tightener": rf"(?:tightened|tensed) {WHICH}(?:eye)?lids|tightening of {WHICH}(?:eye)?lids",
    "brow lower": rf"lowered {WHICH}(?:eye)?brow|lowering of {WHICH}(?:eye)?brow",
    "brow raise": rf"(?:raised|lifted) {WHICH}(?:eye)?brow|(?:raising|lift) of {WHICH}(?:eye)?brow",
    "jaw drop": r"drop of the jaw|dropped",
    "jaw slide": r"shift of the jaw|shifted|slides",
    "lip corner pull": rf"smile|(?:upward pull|lift) of {WHICH}{CORNER}|(?:lifted|raised) {WHICH}{CORNER}",
    "lip corner depressor": (
        rf"(?<!no )(?:downward pull|lowering) of {WHICH}{CORNER}|(?:lowered|downturned) {WHICH}{CORNER}"
    ),
    "dimpler": rf"dimpl|inward pull|indrawn {WHICH}{CORNER}",
    "lip corner stretch": r"sideways|outwards|stretched",
    "lip suck": rf"drawing in|indrawn {WHICH}(?:upper |lower )?lips?(?! corner)|sucked",
    "lip tightener": r"(?:tightened|tensed) lips|tightening of (?:the )?lips",
    "lip pressor": r"\bpress(?:ed|ing)",
    "lips part": r"parted|parting",
    "jaw thrust": r"thrust|protruding|pushed forward",
    "upper lip raise": r"(?:raised|lifted) upper lip\b(?! lid)|(?:raising|lift) of the upper lip\b",
    "lower lip depress": (
        r"(?:drawn-down|lowered) lower lip|(?:downward pull|lowering) of the lower lip"
        r"|lower lip is (?:\w+ )?(?:drawn|pulled) down"
    ),
    "chin raise": r"chin",
    "lip pucker": r"pucker|pursed",
    "cheek raiser": r"raised cheeks|lifted cheeks|(?:raising|lift) of the cheeks|pushed up cheeks",
    "cheeks puff": r"puff",
    "nose wrinkle": r"nose|wrinkl",
}
"""Words that stand only where the movement was measured, or for some, only where it was seen."""
UNKNOWN: Final = r"[^.]*\b(?:[Ww]hether|[Ii]f) the [^.]*\."
"""A sentence on a region that nobody measured."""

intensities = st.one_of(st.sampled_from([0.0, 1.0, 0.03, 0.05, 0.2, 0.4]), st.floats(0, 1))
dense = st.fixed_dictionaries({name: st.one_of(st.none(), intensities) for name in AU_NAMES})
sparse = st.dictionaries(st.sampled_from(AU_NAMES), intensities, max_size=8).map(
    lambda some: dict.fromkeys(AU_NAMES, 0.0) | some
)
vectors = st.one_of(dense, sparse, st.fixed_dictionaries(dict.fromkeys(AU_NAMES, intensities))).map(AUVector)
labels = st.sampled_from(list(Expression))
chances = st.one_of(st.none(), st.fixed_dictionaries({e: st.floats(0, 1) for e in Expression}))


def swap_sides(text: str) -> str:
    """`text` with left and right exchanged."""
    return re.sub(r"\b(left|right)\b", lambda match: str(Side(match[0]).other), text)


def words_of_labels(text: str) -> set[str]:
    return {e.value for e in Expression if re.search(rf"\b{e.value}\b", text, re.IGNORECASE)}


@settings(max_examples=40)
@given(vectors, labels, chances)
def test_every_text_keeps_the_rules_of_form(
    aus: AUVector, label: Expression, chance: dict[Expression, float] | None
) -> None:
    cot = write_cot(aus, label, chance)
    assert cot.word_count <= WORD_LIMIT
    assert all(part and part[0].isupper() and part.endswith(".") for part in cot.parts)
    assert CoT.parse(cot.text) == cot
    body = " ".join(cot.parts)
    assert not PRONOUNS.search(body)
    assert not re.search(
        r"\d|\bAUs?\b|[{}\[\]|_]|  | [,.;]|\.\.|,,|\.[A-Z]|\ba (?!one-|usual|uni)[aeiou]|\ban [^aeiou]", body
    )
    assert not re.search(r"[.;] [a-z]", re.sub(r"; ", ", ", body))
    assert write_cot(AUVector(dict(aus)), label, chance) == cot


@settings(max_examples=40)
@given(vectors, labels, chances)
def test_the_conclusion_names_the_label_and_at_most_one_alternative(
    aus: AUVector, label: Expression, chance: dict[Expression, float] | None
) -> None:
    named = words_of_labels(write_cot(aus, label, chance).conclusion)
    if chance is None or chance[label] >= 0.5:
        assert named == {label.value}
    else:
        others = {e: p for e, p in chance.items() if e is not label and p > 0}
        assert named - {label.value} <= {e.value for e, p in others.items() if p == max(others.values())}
        assert len(named) == 1 + bool(others)
        assert label.value in named


@settings(max_examples=40)
@given(vectors, labels, chances)
def test_a_mirrored_face_gets_the_same_text_with_left_and_right_exchanged(
    aus: AUVector, label: Expression, chance: dict[Expression, float] | None
) -> None:
    mirrored = write_cot(aus.mirrored(), label, chance)
    assert mirrored.text == swap_sides(write_cot(aus, label, chance).text)
    assert [o.mirrored() for o in describe(aus.mirrored()).seen] == list(describe(aus).seen)


@settings(max_examples=40)
@given(vectors)
def test_observations_say_what_the_vector_says(aus: AUVector) -> None:
    found = describe(aus)
    sites = {site.name: site for o in found.seen for site in o.sites}
    assert set(sites) == {name for name, value in aus.items() if value is not None and value >= MENTION}
    for name, site in sites.items():
        value = aus[name]
        assert value == site.intensity
        assert site.place == "" or site.place in name.split()
    for o in found.seen:
        rest = [aus[name] for name in MOVEMENTS[o.movement] if name not in o.names]
        assert o.alone is (bool(rest) and all(v is not None and v < AT_REST for v in rest))
    for movement in found.absent:
        assert all((v := aus[name]) is not None and v < AT_REST for name in MOVEMENTS[movement])
    assert found.known == {AU_BY_NAME[name].action for name in aus.measured}


@settings(max_examples=40)
@given(vectors, labels, chances)
def test_no_word_of_a_movement_that_was_not_measured(
    aus: AUVector, label: Expression, chance: dict[Expression, float] | None
) -> None:
    body = re.sub(UNKNOWN, "", " ".join(write_cot(aus, label, chance).parts))
    for movement, names in MOVEMENTS.items():
        if all(aus[name] is None for name in names):
            assert not re.search(VOCABULARY[movement], body, re.IGNORECASE), (movement, body)


@pytest.mark.parametrize("movement", MOVEMENTS)
def test_an_absent_movement_is_never_claimed(movement: str) -> None:
    others = {name: 0.6 for name in AU_NAMES if name not in MOVEMENTS[movement]}
    for label in Expression:
        body = " ".join(write_cot(AUVector.from_positive(others), label).parts)
        told = re.findall(rf"[^.;]*(?:{VOCABULARY[movement]})[^.;]*", body, re.IGNORECASE)
        assert all(re.search(r"\b(no|absence|absent)\b", clause, re.IGNORECASE) for clause in told), told


def places(movement: str, unit: str) -> list[str]:
    """What may say where a unit moves, in any of the names of its part."""
    place = next((word for word in ("left", "right", "upper", "lower") if word in unit.split()), "")
    if movement == "jaw slide":
        return [rf"\bto the {place}\b", "both sides"]
    found = []
    for names in word_tables.part_names()[word_tables.movements()[movement].part]:
        one, _, several = names.partition("|")
        found.append(rf"\b{place} {one}\b" if place and one.split()[0] != place else rf"\b{one}\b")
        found += [rf"\bboth {several}\b", *([] if place else [rf"\bthe {several}\b"])] if several else []
    return found


@settings(max_examples=40)
@given(sparse.map(AUVector), labels)
def test_up_to_eight_clear_units_are_all_told(aus: AUVector, label: Expression) -> None:
    cot = write_cot(aus, label)
    for name in aus.active(above=0.3):
        movement = next(m for m, names in MOVEMENTS.items() if name in names)
        assert any(
            re.search(pattern, cot.key_observations, re.IGNORECASE) for pattern in places(movement, name)
        ), (name, cot.key_observations)


def test_what_a_movement_may_mean_names_no_degree_and_no_frame_a_side() -> None:
    """Beside a movement "a strong sign" reads as the movement's degree, and "what is left" as a side."""
    said = [
        meaning
        for one in word_tables.meanings().values()
        for m in (one.alone, *one.beside)
        for meaning in m.may
    ]
    said += [words for pair in word_tables.combinations() for words in pair.says]
    degrees = {word for row in word_tables.degrees().values() for words in row.values() for word in words}
    assert len(said) > 60
    assert not [text for text in said if degrees & set(re.findall(r"[a-z]+", text))]
    frames = (ROOT / "src/expllm/assets/words/frames.toml").read_text(encoding="utf-8")
    sentences = [line for line in frames.splitlines() if not line.startswith("#")]
    assert not [line for line in sentences if re.search(r"\b(?:left|right)\b", line)]


@settings(max_examples=40)
@given(st.sampled_from(list(MOVEMENTS)), intensities, intensities, labels)
def test_one_movement_is_told_with_its_own_degrees_only(
    movement: str, first: float, second: float, label: Expression
) -> None:
    values = dict(zip(MOVEMENTS[movement], (first, second), strict=False))
    told = {degree_word(v) for v in values.values() if v >= MENTION}
    text = write_cot(AUVector.from_positive(values), label).key_observations
    for degree, row in word_tables.degrees().items():
        words = {*row["adjective"], *row["adverb"]}
        said = [word for word in words if re.search(rf"(?<!very )\b{word}\b", text, re.IGNORECASE)]
        assert not said or degree in told, (said, told, text)


@settings(max_examples=40)
@given(st.sampled_from(list(Side)), st.floats(0.05, 1), labels)
def test_a_one_sided_movement_is_told_of_that_side_only(side: Side, value: float, label: Expression) -> None:
    cot = write_cot(AUVector.from_positive({f"{side} lip corner pull": value}), label)
    assert re.search(rf"{side} (?:lip corner|mouth corner|corner of the mouth)", cot.key_observations)
    assert not re.search(rf"\b({side.other}|both)\b", cot.text)
    assert (
        Expression.CONTEMPT
        in describe(AUVector.from_positive({f"{side} lip corner pull": value})).seen[0].emotions
    )


def test_two_sides_within_tolerance_are_both_and_others_are_compared() -> None:
    def seen(left: float, right: float) -> str:
        return observe(describe(AUVector.from_positive({"left brow lower": left, "right brow lower": right})))

    assert re.search("both (?:eye)?brows", seen(0.5, 0.55), re.IGNORECASE)
    assert not re.search(r"\b(left|right)\b", seen(0.5, 0.55))
    assert re.search(
        r"(strong|powerful|intense)(ly)? on the right and (slight|subt|faint|mild)l?[ey]? ?on the left",
        seen(0.1, 0.7),
    )
    assert "more on the right than on the left" in seen(0.45, 0.6)
    assert "left" not in seen(0.02, 0.6)


def test_nothing_measured_claims_nothing() -> None:
    for label in Expression:
        cot = write_cot(AUVector(), label)
        assert "could be measured" in cot.key_observations
        for movement, words in VOCABULARY.items():
            assert not re.search(words, cot.text, re.IGNORECASE), movement
    assert fit(describe(AUVector()), Expression.NEUTRAL) is Fit.UNMEASURED


def test_a_still_face_is_neutral_and_any_emotion_of_it_is_called_unexplained() -> None:
    still = AUVector.from_positive({})
    assert fit(describe(still), Expression.NEUTRAL) is Fit.QUIET
    happy = write_cot(still, Expression.HAPPINESS)
    said = happy.overall_emotional_interpretation
    assert re.search(rf"smile|(?:pull|lift) of the {CORNER}|(?:lifted|raised) {CORNER}", said, re.IGNORECASE)
    assert re.search(r"\b(no|none|absent|lacks)\b", said, re.IGNORECASE)
    assert re.search(r"whole|impression|movements?\b|measured", happy.conclusion)


def test_a_label_that_the_movements_do_not_explain_is_told_as_such() -> None:
    smile = describe(AUVector.from_positive({"left lip corner pull": 0.6, "right lip corner pull": 0.6}))
    assert fit(smile, Expression.HAPPINESS) is Fit.EXPLAINED
    assert fit(smile, Expression.ANGER) is Fit.UNEXPLAINED
    assert "happiness" in interpret(smile, Expression.ANGER).lower()
    assert fit(smile, Expression.NEUTRAL) is Fit.UNEXPLAINED
    assert conclude(smile, Expression.ANGER) != conclude(smile, Expression.HAPPINESS)


def test_a_low_probability_is_tentative_and_names_the_runner_up() -> None:
    smile = AUVector.from_positive({"left lip corner pull": 0.6, "right lip corner pull": 0.6})
    chance = {Expression.HAPPINESS: 0.4, Expression.SURPRISE: 0.35, Expression.NEUTRAL: 0.25}
    conclusion = write_cot(smile, Expression.HAPPINESS, chance).conclusion
    assert "surprise" in conclusion
    assert re.search("tentative|reserve|cautious", conclusion, re.IGNORECASE)
    assert "surprise" not in write_cot(smile, Expression.HAPPINESS, {Expression.HAPPINESS: 0.9}).conclusion


def test_the_description_does_not_know_the_label() -> None:
    aus = AUVector.from_positive({"left brow lower": 0.5, "right brow lower": 0.5, "chin raise": 0.3})
    assert len({write_cot(aus, label).key_observations for label in Expression}) == 1


def test_degrees_rise_with_intensity() -> None:
    assert [degree for _, degree in DEGREES] == list(Degree)
    assert [bound for bound, _ in DEGREES] == sorted(bound for bound, _ in DEGREES)
    words = [degree_word(x) for x in (0.0, 0.05, 0.2, 0.4, 0.65, 0.85)]
    assert words == ["barely perceptible", "slight", "moderate", "marked", "strong", "extreme"]


def test_the_tables_cover_every_movement() -> None:
    assert set(word_tables.movements()) == set(MOVEMENTS) == set(word_tables.meanings()) == set(VOCABULARY)
    assert sorted(name for names in MOVEMENTS.values() for name in names) == sorted(AU_NAMES)


def test_the_reference_vectors_get_short_and_distinct_texts(shared: Path) -> None:
    texts: dict[tuple[AUVector, Expression], str] = {}
    for line in (shared / "data" / "exp_cot_reference.jsonl").read_text().splitlines():
        row = json.loads(line)
        key = AUVector.from_positive(row["aus"]), Expression.parse(row["expression"])
        if key not in texts:
            cot = write_cot(*key)
            assert cot.word_count <= WORD_LIMIT
            texts[key] = cot.text
    assert len(texts) > 2000
    assert len(set(texts.values())) > 0.99 * len(texts)


# The audit does not read the units that only FACS has.
@given(aus=vectors.map(lambda aus: aus.without(set(AU_NAMES) - set(FEAFA_NAMES))), label=labels)
@settings(max_examples=60, deadline=None)
def test_the_audit_reads_every_sentence_and_refutes_none(aus: AUVector, label: Expression) -> None:
    report = audit(write_cot(aus, label), aus, label)
    assert report.unread == ()
    assert not any(report.counts.get(verdict, 0) for verdict in WRONG)
