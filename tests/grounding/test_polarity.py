"""Turns of phrase that affirm or deny as a whole, each around several movements."""

import pytest

from expllm.grounding import read_claims

MOVES = {
    # action: (part, verb, participle, noun)
    "brow raise": ("the brows", "go up", "raised", "lift of the brows"),
    "jaw drop": ("the jaw", "drop", "dropped", "drop of the jaw"),
    "lip corner pull": (
        "the corners of the mouth",
        "turn up",
        "pulled up",
        "upward pull of the mouth corners",
    ),
    "lip pressor": ("the lips", "press together", "pressed together", "pressing of the lips"),
    "nose wrinkle": ("the nose", "wrinkle", "wrinkled", "wrinkling of the nose"),
}
DENIALS = [
    "I see {part} make no attempt to {verb}.",
    "One cannot say that {part} resist any temptation to {verb}, but they stop short of being {done}.",
    "Nobody could describe {part} as {done}.",
    "It would be a mistake to call {part} {done}.",
    "To call {part} {done} would be wrong.",
    "There is no way in which {part} could fairly be called {done}.",
    "A {noun} is conspicuous by its absence.",
    "{noun}: none.",
    "{noun}: absent throughout.",
    "{noun}, so common elsewhere, is absent.",
    "The {noun}, which one would expect, was not observed.",
    "A {noun} could not be observed at any point.",
    "{noun}, not observed.",
    "The expected {noun} does not come.",
    "One waits for {part} to {verb}, but they do not.",
    "One waits for {part} to {verb} in vain.",
    "A {noun} plays no part in this expression.",
    "Not, on any reading, {done}: {part}.",
]
AFFIRMED = [
    "There is no denying the {noun}.",
    "Nobody could overlook the {noun}.",
    "Nothing hides the {noun}.",
    "It is hard not to see the {noun}.",
    "One cannot fail to notice the {noun}.",
    "Not without reason do {part} {verb}.",
    "It is no exaggeration to say that {part} are {done}.",
    "The {noun} does not go unnoticed.",
    "I see {part} {done}, and there is nothing subtle about it.",
    "I see {part} {done} while the head does not turn.",
    "The {noun}, a sign of interest, is not subtle.",
    "The {noun}, so typical of this person, cannot be missed.",
    "The {noun} demonstrates a calm mood, lacking excitement.",
]
NOT_SAID = [
    "One associates a {noun} with anger.",
    "A {noun} would point to anger.",
    "In other pictures of this person {part} are {done}.",
    "In the next moment {part} may {verb}.",
]


def told(frame: str, action: str) -> set[bool]:
    """Whether each claim about the action denies it."""
    part, verb, done, noun = MOVES[action]
    text = frame.format(part=part, verb=verb, done=done, noun=noun)
    text = text[0].upper() + text[1:]
    return {claim.negated for claim in read_claims(text) if action in claim.units}


@pytest.mark.parametrize("action", MOVES)
@pytest.mark.parametrize("frame", DENIALS)
def test_what_denies(frame: str, action: str) -> None:
    assert told(frame, action) == {True}


@pytest.mark.parametrize("action", MOVES)
@pytest.mark.parametrize("frame", AFFIRMED)
def test_two_denials_affirm(frame: str, action: str) -> None:
    assert told(frame, action) == {False}


@pytest.mark.parametrize("action", MOVES)
@pytest.mark.parametrize("frame", NOT_SAID)
def test_what_is_said_of_no_face_or_of_another_moment(frame: str, action: str) -> None:
    assert told(frame, action) == set()


@pytest.mark.parametrize("idle", [
    "play no role", "contribute nothing", "have nothing to add", "show no sign of life",
    "stay out of the picture",
    "sit this one out", "remain passive", "stay as they are",
])  # fmt: skip
@pytest.mark.parametrize(("part", "action"), [
    ("The brows", "brow raise"), ("The lips", "lip pucker"), ("The cheeks", "cheeks puff"),
    ("The chin", "chin raise"),
])  # fmt: skip
def test_a_part_that_does_nothing(part: str, action: str, idle: str) -> None:
    claims = [claim for claim in read_claims(f"{part} {idle}.") if action in claim.units]
    assert claims
    assert all(claim.negated and claim.vague for claim in claims)


@pytest.mark.parametrize(("text", "side"), [
    ("The left corner of the mouth rises too, but not as far as the right.", "right"),
    ("The left brow is not raised as much as the right.", "right"),
    ("The left brow rises, and the right still further.", "right"),
    ("Both brows rise, in particular the left.", "left"),
])  # fmt: skip
def test_which_side_moves_more(text: str, side: str) -> None:
    claims = read_claims(text)
    assert any(claim.both and claim.side == side for claim in claims)
    assert not any(claim.negated for claim in claims)


@pytest.mark.parametrize("text", [
    "The left brow rises without the right.",
    "The left brow rises and leaves the right behind.",
    "Lift of the brows on the left without any on the right.",
    "The lift of the brows is limited to the left.",
])  # fmt: skip
def test_one_side_only(text: str) -> None:
    (claim,) = read_claims(text)
    assert (claim.only, claim.side, claim.degree, claim.negated) == (True, "left", None, False)


MISSED = (
    "One would expect raised brows in surprise, but they are absent.",
    "Surprise would bring raised brows, which are not present here.",
    "If this were surprise, the brows would be raised; they are not.",
    "If this were surprise I'd expect the brows to be raised; they aren't.",
    "Surprise would show wide eyes and raised brows, none of which are seen here.",
    "The brow raise typical of surprise is missing.",
    "The raised brows that usually accompany surprise are absent.",
    "If it were surprise, we would see raised brows; there is no sign of them.",
    "Surprise would bring wide eyes and raised brows, neither of which appears.",
    "Surprise would bring raised brows and a dropped jaw, none of which can be seen.",
)


@pytest.mark.parametrize("text", MISSED)
def test_what_an_emotion_would_bring_and_does_not(text: str) -> None:
    (claim,) = [claim for claim in read_claims(text) if "brow raise" in claim.units]
    assert claim.negated


ONLY_SUPPOSED = (
    "Surprise would show raised brows.",
    "The raised brows would be typical of surprise, but they are not very strong.",
    "Sadness would show lowered lip corners, and it might also show raised brows.",
)


@pytest.mark.parametrize("text", ONLY_SUPPOSED)
def test_what_an_emotion_would_bring_is_no_claim(text: str) -> None:
    assert not [claim for claim in read_claims(text) if claim.negated]


DENIED = (
    ("The frown is absent, as is any raising of the brows.", "brow raise"),
    ("The absence of both a furrowed brow and compressed lips suggests calm.", "lip pressor"),
    ("Look for a raised brow and you will look in vain.", "brow raise"),
    ("The cheeks have been lifted by no laughter.", "cheek raiser"),
    ("Zygomaticus? Quiet.", "lip corner pull"),
    ("Failure of lid closure.", "eye close"),
    ("A raise of the brows does not occur.", "brow raise"),
    ("The smooth lids rule out any tightening of the lids.", "lid tightener"),
    ("The mouth shows no upturn, downturn, stretching or parting.", "lip corner stretch"),
    ("The lips have no forward, rounded protrusion.", "lip pucker"),
    ("Where one expects a thin line, the mouth is soft.", "lip tightener"),
    ("The tension never reaches the lower lids.", "lid tightener"),
)


@pytest.mark.parametrize(("text", "action"), DENIED)
def test_denied_in_another_way(text: str, action: str) -> None:
    claims = [claim for claim in read_claims(text) if action in claim.units]
    assert claims
    assert all(claim.negated for claim in claims)


MOVING = (
    ("The frown is present, as is a raising of the chin.", "chin raise"),
    ("The eyes are opened beyond their usual aperture.", "lid raise"),
    ("A joke might be behind the upturned left corner of the mouth.", "lip corner pull"),
)


@pytest.mark.parametrize(("text", "action"), MOVING)
def test_affirmed_in_spite_of_words_that_may_deny(text: str, action: str) -> None:
    (claim,) = [claim for claim in read_claims(text) if action in claim.units]
    assert not claim.negated


def test_what_meets_is_not_pressed() -> None:
    (claim,) = read_claims("The lips meet lightly.")
    assert claim.negated
    assert "lips part" in claim.units
    (claim,) = read_claims("The lips meet firmly.")
    assert not claim.negated
    assert "lip pressor" in claim.units
