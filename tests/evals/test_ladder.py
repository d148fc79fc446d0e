"""The ladder: its texts are what they say, and judges that are good or bad at it are told apart."""

from pathlib import Path

import pytest
from explanations import LABELS, text, units

from expllm.core.errors import UsageError
from expllm.core.records import CoT
from expllm.core.vocabulary import Expression
from expllm.data import open_dataset
from expllm.evals.ladder import (
    FILLER,
    OTHER_FACE,
    PADDED,
    PARAPHRASE,
    RUNGS,
    SAME,
    SWAPPED,
    Ladder,
    Told,
    audited,
    climbed,
    ladders,
    pair_id,
    swap_label,
)
from expllm.evals.ladder_runs import LadderRun, LadderSettings
from expllm.grounding import read_claims
from expllm.grounding.emotions import label_in, read_emotions

E = Expression
FACES = [Told(f"f{n}", LABELS[n % 4], units(LABELS[n % 4], n), text(LABELS[n % 4], n)) for n in range(12)]
FOUND = ladders(FACES)


def told(reading: str) -> list[object]:
    """What the audit reads in a text, less where it stands."""
    claims = [(c.units, c.side, c.both, c.degree, c.negated) for c in read_claims(reading)]
    return [*claims, *((m.expression, m.denied, m.part) for m in read_emotions(reading))]


def test_the_rungs() -> None:
    assert len(FOUND) == 12
    for face, ladder in zip(FACES, FOUND, strict=True):
        assert tuple(ladder.texts) == RUNGS
        assert ladder.texts[SAME] == ladder.reference == face.text
        other = next(one for one in FACES if one.text == ladder.texts[OTHER_FACE])
        assert other.label is not face.label
        mentions = read_emotions(ladder.texts[SWAPPED])
        assert not label_in(mentions, "conclusion", face.label)
        assert label_in(mentions, "conclusion", other.label)
        assert all(filler in ladder.texts[PADDED] for filler in FILLER)
        assert Ladder.from_json(ladder.to_json()) == ladder
        assert [pair.reference for pair in ladder.pairs()] == [face.text] * 5


def test_padding_tells_nothing() -> None:
    assert read_claims(" ".join(FILLER)) == ()
    assert read_emotions(" ".join(FILLER)) == ()
    for ladder in FOUND:
        assert told(ladder.texts[PADDED]) == told(ladder.texts[SWAPPED])


def test_a_paraphrase_differs_and_tells_the_same() -> None:
    assert all(one.texts[PARAPHRASE] != one.reference for one in FOUND)
    assert [told(one.texts[PARAPHRASE]) for one in FOUND] == [told(one.reference) for one in FOUND]


def test_published_texts_are_paraphrased(shared: Path) -> None:
    rows = list(open_dataset(str(shared / "data" / "exp_cot_reference.jsonl")))[:300]
    found = ladders([Told(row.id, row.expression or E.FEAR, row.aus, row.text or "") for row in rows])
    assert len(found) >= 290
    assert sum(one.texts[PARAPHRASE] != one.reference for one in found) == len(found)
    same = sum(told(one.texts[PARAPHRASE]) == told(one.reference) for one in found)
    assert same / len(found) >= 0.9


def test_a_label_is_swapped_where_it_is_affirmed() -> None:
    cot = CoT(
        key_observations="A happy smile, no anger.", overall_emotional_interpretation="Joy, not anger.",
        conclusion="Happiness.",
    )  # fmt: skip
    swapped = swap_label(cot.text, E.HAPPINESS, E.ANGER)
    assert "A angry smile, no anger." in swapped
    assert "Anger, not anger." in swapped
    assert swapped.endswith("Anger.")


def test_a_text_that_never_names_its_label_is_left_out() -> None:
    bare = Told("x", E.FEAR, None, FACES[0].text)
    assert [one.id for one in ladders([*FACES, bare])] == [face.id for face in FACES]


def test_one_label_is_no_ladder() -> None:
    with pytest.raises(UsageError, match="two labels or more"):
        ladders([FACES[0], FACES[4]])


def test_the_audit_climbs() -> None:
    found = audited(FOUND)
    assert found is not None
    assert found.trusted
    means = [found.rungs[rung].estimate for rung in (OTHER_FACE, SWAPPED, PARAPHRASE, SAME)]  # type: ignore[union-attr]
    assert means[0] < means[1] < means[2] == means[3] == 1
    blind = [one.model_copy(update={"aus": None}) for one in FOUND]
    assert audited(blind) is None


def scored(*points: float) -> dict[str, float]:
    """The same score of each rung for all faces, but for a little noise."""
    return {
        pair_id(one.id, rung): value + number / 1000
        for number, one in enumerate(FOUND)
        for rung, value in zip(RUNGS, points, strict=True)
    }


@pytest.mark.parametrize(
    ("points", "fallen"),  # of other, swapped, padded, paraphrase, same
    [
        ((0.1, 0.4, 0.4, 0.8, 0.9), []),
        ((0.1, 0.4, 0.4, 0.9, 0.9), []),
        ((0.5, 0.5, 0.5, 0.5, 0.5), [SWAPPED, PARAPHRASE]),
        ((0.1, 0.4, 0.6, 0.8, 0.9), [PADDED]),
        ((0.1, 0.4, 0.4, 0.9, 0.8), [SAME]),
        ((0.6, 0.4, 0.4, 0.8, 0.9), [SWAPPED]),
    ],
)  # fmt: skip
def test_judges_are_told_apart(points: tuple[float, ...], fallen: list[str]) -> None:
    found = climbed(FOUND, scored(*points))
    assert [step.upper for step in found.steps if not step.holds] == fallen
    assert found.trusted is (not fallen)
    assert found.unscored == 0


def test_a_judge_that_leaves_much_unscored_is_not_trusted() -> None:
    whole = scored(0.1, 0.4, 0.4, 0.8, 0.9)
    some = dict(list(whole.items())[:-9])
    found = climbed(FOUND, some)
    assert all(step.holds for step in found.steps)
    assert found.unscored == pytest.approx(9 / 60)
    assert not found.trusted
    assert not climbed(FOUND, {}).trusted
    assert climbed(FOUND, {}).rungs[SAME] is None


def test_a_line_separator_in_an_id_ends_no_line(tmp_path: Path) -> None:
    label = Expression.HAPPINESS
    ladder = Ladder(
        id="a\u2028b.jpg", label=label, aus=units(label), reference="x\x85y", texts={"true": "\u2029"}
    )
    run = LadderRun(tmp_path / "run")
    run.begin(LadderSettings(source="s", limit=1, seed=0, faces=1, digest="d"), [ladder, ladder])
    assert run.ladders() == [ladder, ladder]
