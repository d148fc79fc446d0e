"""Claims in the words of novelists, clinicians and learners, which no rule foresees one by one."""

import pytest

import expllm
from expllm.core.vocabulary import AU_NAMES, FEAFA_NAMES, AUVector, Side
from expllm.grounding import Claim, DegreeWord, Verdict, audit, read_claims, read_text

L, R = Side.LEFT, Side.RIGHT
AT_REST = dict.fromkeys(AU_NAMES, 0.0)


def only(text: str) -> Claim:
    claims = read_claims(text)
    assert len(claims) == 1, [(claim.text, claim.units) for claim in claims]
    assert claims[0].text == text[claims[0].start : claims[0].end]
    return claims[0]


def face(**moved: float) -> AUVector:
    return AUVector({**AT_REST, **{name.replace("_", " "): value for name, value in moved.items()}})


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("The jaw has fallen open.", "jaw drop"),
        ("Both brows come down hard.", "brow lower"),
        ("Wrinkles form along the bridge of the nose.", "nose wrinkle"),
        ("Up fly the eyebrows.", "brow raise"),
        ("A deep furrow is cut between the brows.", "brow lower"),
        ("White shows above each iris.", "lid raise"),
        ("The mandible is translated anteriorly.", "jaw thrust"),
        ("Mentalis contraction puckers the chin pad.", "chin raise"),
        ("The lower lip has vanished over the bottom teeth.", "lower lip suck"),
        ("The commissures are drawn laterally.", "lip corner stretch"),
        ("The jaw wanders off to the right.", "jaw slide"),
        ("The cheeks are filled with air.", "cheeks puff"),
        ("Out go the lips in a kiss.", "lip pucker"),
        ("The lids come together.", "eye close"),
    ],
)
def test_movements(text: str, action: str) -> None:
    assert any(action in claim.units and not claim.negated for claim in read_claims(text))
    refuted = [c.verdict for c in audit(text, face()).checked if action in c.claim.units]
    assert Verdict.CONTRADICTED in refuted


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("The corners of the mouth sag.", "lip corner depressor"),
        ("The lower lids have stiffened.", "lid tightener"),
        ("Crow's feet fan out.", "cheek raiser"),
        ("The cheeks are heaped under the eyes.", "cheek raiser"),
        ("A dimple is dug beside the mouth.", "dimpler"),
        ("The lips are clamped against each other.", "lip pressor"),
        ("The lips have been drawn thin.", "lip tightener"),
        ("The lips come apart.", "lips part"),
    ],
)
def test_what_facs_alone_has_is_checked_where_it_was_measured(text: str, action: str) -> None:
    assert action in {unit for claim in read_claims(text) for unit in claim.units}
    unmeasured = AUVector(dict.fromkeys(FEAFA_NAMES, 0.0))
    assert {c.verdict for c in audit(text, unmeasured).checked} == {Verdict.NOT_MEASURABLE}
    assert {c.verdict for c in audit(text, face()).checked} == {Verdict.CONTRADICTED}
    moved = AUVector({**AT_REST, action: 0.6})
    assert {c.verdict for c in audit(text, moved).checked} == {Verdict.SUPPORTED}


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("The eyes are narrowed.", "eye close"),
        ("The person squints.", "eye close"),
        ("The mouth is open.", "jaw drop"),
    ],
)
def test_what_nobody_measured_excuses_no_words_that_mean_something_else_first(text: str, action: str) -> None:
    unmeasured = AUVector(dict.fromkeys(FEAFA_NAMES, 0.0))
    (checked,) = audit(text, unmeasured).checked
    assert checked.claim.units[0] == action or action in checked.claim.units
    assert checked.verdict in (Verdict.CONTRADICTED, Verdict.NOT_MEASURABLE)
    if checked.claim.units[0] == action:
        assert checked.verdict is Verdict.CONTRADICTED


def test_closed_lips_deny_that_they_part_as_well() -> None:
    parted = AUVector({**AT_REST, "lips part": 0.7})
    (checked,) = audit("The lips are closed.", parted).checked
    assert checked.verdict is Verdict.CONTRADICTED


def test_nobody_measures_the_sides_of_what_facs_alone_has() -> None:
    dimpled = AUVector({**AT_REST, "dimpler": 0.6})
    report = audit("The left corner of the mouth is dimpled, the right corner is not dimpled.", dimpled)
    assert not any(c.verdict is Verdict.CONTRADICTED for c in report.checked)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("The eyebrows do not go up.", "brow raise"),
        ("Nothing pulls the corners of the mouth upward.", "lip corner pull"),
        ("Neither lid comes down.", "eye close"),
        ("The jaw refuses to drop.", "jaw drop"),
        ("Far from rising, the brows keep their line.", "brow raise"),
        ("The smile does not come.", "lip corner pull"),
        ("The forehead is unfurrowed.", "brow raise"),
        ("Brow elevation is not seen.", "brow raise"),
        ("Nose wrinkling (-).", "nose wrinkle"),
        ("The jaw stays where it is.", "jaw drop"),
        ("Free of any puckering, the lips are closed.", "lip pucker"),
    ],
)
def test_denials(text: str, action: str) -> None:
    everywhere = AUVector({**AT_REST, **{name: 0.7 for name in AU_NAMES if name.endswith(action)}})
    assert Verdict.CONTRADICTED in [c.verdict for c in audit(text, everywhere).checked]
    assert {c.verdict for c in audit(text, face()).checked} <= {Verdict.SUPPORTED, Verdict.OUTSIDE}


@pytest.mark.parametrize(
    "text",
    [
        "Only the left mouth corner goes up.",
        "The left mouth corner rises alone.",
        "The left mouth corner curls upward, while its counterpart rests.",
        "The left mouth corner goes up, the right does not.",
        "Just the left corner of the mouth is hoisted.",
    ],
)
def test_one_side_only(text: str) -> None:
    (claim,) = [claim for claim in read_claims(text) if not claim.negated]
    assert (claim.side, claim.only) == (L, True)

    def verdicts(left: float, right: float) -> set[Verdict]:
        aus = face(left_lip_corner_pull=left, right_lip_corner_pull=right)
        return {c.verdict for c in audit(text, aus).checked}

    assert verdicts(0.5, 0.0) == {Verdict.SUPPORTED}
    assert Verdict.WRONG_SIDE in verdicts(0.0, 0.5)
    assert verdicts(0.5, 0.5) & {Verdict.WRONG_SIDE, Verdict.CONTRADICTED}


def test_one_side_whichever() -> None:
    claim = only("The smile is one-sided.")
    assert (claim.side, claim.only) == (None, True)
    for left, right, verdict in ((0.5, 0.0, Verdict.SUPPORTED), (0.5, 0.5, Verdict.WRONG_SIDE)):
        aus = face(left_lip_corner_pull=left, right_lip_corner_pull=right)
        assert [c.verdict for c in audit("The smile is one-sided.", aus).checked] == [verdict]
    nobody = AUVector({"left lip corner pull": 0.5})
    assert [c.verdict for c in audit("A one-sided smile.", nobody).checked] == [Verdict.NOT_MEASURABLE]


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("The brows climb, more on the right than on the left.", R),
        ("Both brows are up, the right more so.", R),
        ("The left brow stands higher than its counterpart.", L),
        ("Brow elevation is asymmetric, with the left leading.", L),
        ("Both brows rise, the left lagging.", R),
        ("Of the two raised brows, the right is the higher.", R),
    ],
)
def test_comparisons(text: str, side: Side) -> None:
    assert any((claim.side, claim.both) == (side, True) for claim in read_claims(text))
    more = face(left_brow_raise=0.6, right_brow_raise=0.3)
    right = more if side is L else more.mirrored()
    assert {c.verdict for c in audit(text, right).checked} == {Verdict.SUPPORTED}
    assert Verdict.WRONG_SIDE in {c.verdict for c in audit(text, right.mirrored()).checked}


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("The jaw drops as far as it will go.", DegreeWord.STRONG),
        ("The jaw drops halfway.", DegreeWord.MODERATE),
        ("The jaw drops a touch.", DegreeWord.SLIGHT),
        ("The jaw drops by a hair.", DegreeWord.MINIMAL),
        ("The jaw drops a good way.", DegreeWord.MARKED),
        ("The jaw drops.", None),
    ],
)
def test_degrees(text: str, degree: DegreeWord | None) -> None:
    assert only(text).degree is degree


@pytest.mark.parametrize(
    "text",
    [
        "Had the jaw dropped, one would think of surprise.",
        "People often raise their brows in surprise.",
        "One would expect a furrowed brow.",
        "The light falls from the left.",
        "He looks down at the table.",
        "The overall mood is calm.",
    ],
)
def test_no_claims(text: str) -> None:
    assert read_claims(text) == ()


def test_several_claims_of_one_sentence() -> None:
    claims = read_claims("The brows fly up, the jaw has dropped, and the lips are not pressed.")
    assert [(claim.units, claim.negated) for claim in claims] == [
        (("brow raise",), False),
        (("jaw drop",), False),
        (("lip pressor",), True),
    ]


def test_a_claim_on_the_wrong_side_from_the_top_of_the_package() -> None:
    aus = dict.fromkeys(AU_NAMES, 0.0) | {"left lip corner pull": 0.6}
    (checked,) = expllm.audit("Only the right mouth corner goes up.", aus).checked
    assert checked.verdict is Verdict.WRONG_SIDE
    assert checked.claim.to_dict()["only"] is True


def test_a_sentence_without_a_claim_is_unread_only_if_it_may_tell_a_movement() -> None:
    assert [one.text for one in read_text("The eyebrows flobber.").unread] == ["The eyebrows flobber"]
    assert read_text("Had the jaw dropped, one would think of surprise.").unread == ()


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("No movement is seen in the jaw.", {"jaw drop"}),
        (
            "No movement is seen in the brows, the jaw and the nose.",
            {"brow raise", "jaw drop", "nose wrinkle"},
        ),
        ("A lowered jaw is often seen in surprise.", set()),
        ("Such brows are seen in anger.", set()),
    ],
)
def test_what_is_seen_in_a_part_is_seen_in_this_face(text: str, denied: set[str]) -> None:
    claims = read_claims(text)
    assert all(claim.negated for claim in claims)
    units = {unit for claim in claims for unit in claim.units}
    assert denied <= units
    assert bool(denied) is bool(units)
