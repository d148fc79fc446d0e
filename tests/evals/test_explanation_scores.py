"""The grounding score of saved explanations, and which of them a judge can compare."""

from explanations import LABELS, UNREADABLE, answer, text, units

from expllm.core.records import Rejected
from expllm.core.vocabulary import Expression
from expllm.data import Sample
from expllm.evals.explanation_scores import CUT_OFF, NO_HEADINGS, TOO_LONG, grounding, pairs_of
from expllm.evals.saved_answers import refused

E = Expression
GOOD = [answer(label, number) for number, label in enumerate(LABELS * 3)]


def test_faultless_texts() -> None:
    found = grounding(GOOD)
    assert (found.texts, found.unexplained, found.unmeasured, found.problems) == (12, {}, 0, {})
    for interval in (found.precision, found.recall, found.well_formed, found.agrees):
        assert interval is not None
        assert interval.estimate == interval.low == 1
    assert found.labels_agree is None  # no label was asked behind a text
    assert set(found.verdicts) == {"supported"}


def test_each_fault_has_its_figure() -> None:
    smile, shock = LABELS[0], LABELS[1]
    headed = text(smile)
    faulty = [
        answer(smile, text="A smile. So it is happiness."),
        answer(smile, 1, text=headed + " very" * 130),
        answer(smile, 2, text=headed[:200], problem="the text was cut off after 50 tokens"),
        answer(smile, 3, text=headed, problem="the text was cut off after 99 tokens"),
        answer(smile, 4, text=text(shock)),  # of another face: its claims are false, its conclusion too
        answer(smile, 5, aus=None),
        refused(Sample(id="x", expression=smile), "no_face", "no face was found"),
        refused(Sample(id="y", expression=smile), "unreadable", "is no picture"),
    ]
    found = grounding(faulty)
    assert (found.texts, found.unmeasured) == (6, 1)
    assert found.unexplained == {"no_face": 1, "unreadable": 1}
    assert found.problems == {NO_HEADINGS: 1, TOO_LONG: 1, CUT_OFF: 2}
    assert found.well_formed is not None
    assert found.well_formed.estimate == 2 / 6
    assert found.agrees is not None
    assert found.agrees.estimate == 3 / 6
    assert found.precision is not None
    assert found.precision.low < found.precision.estimate < 1
    assert found.recall is not None
    assert found.recall.estimate < 1
    assert found.verdicts["contradicted"] >= 1


def test_a_text_with_nothing_to_check_counts_in_no_mean() -> None:
    empty = "**Key Observations:** a\n\n**Overall Emotional Interpretation:** b\n\n**Conclusion:** joy"
    found = grounding([answer(LABELS[0], text=empty, aus=units(LABELS[0]))])
    assert found.precision is None
    assert found.recall is not None
    assert found.recall.estimate == 0


def test_labels_behind_the_text() -> None:
    pair = [answer(LABELS[0], label_after=LABELS[0]), answer(LABELS[0], 1, label_after=LABELS[1])]
    found = grounding(pair)
    assert found.labels_agree is not None
    assert found.labels_agree.estimate == 0.5


def test_pairs_need_a_text_and_a_reference() -> None:
    lone = answer(LABELS[0], reference=None)
    none = refused(Sample(id="x", expression=LABELS[0]), "no_face", "no face was found")
    assert [pair.id for pair in pairs_of([*GOOD[:2], lone, none])] == [one.id for one in GOOD[:2]]


def test_sentences_that_were_not_read_are_counted() -> None:
    plain = "Both lip corners are strongly raised."
    found = grounding([answer(LABELS[0], text=plain), answer(LABELS[0], 1, text=f"{plain} {UNREADABLE}")])
    assert (found.sentences, found.unread) == (3, 1)
    assert found.read is not None
    assert found.read.estimate == 0.75  # the mean over texts
    nothing = grounding([answer(LABELS[0], text="It is happiness.")])
    assert (nothing.sentences, nothing.read) == (0, None)  # unknown, not 100 %


def test_both_texts_are_scored_as_first_written_and_as_they_are() -> None:
    """No figure is 100 % by construction without a word."""
    wrong = Rejected(sentence="The eyes are wide open.", reason="eye close measured", start=0)
    whole = text(LABELS[0])
    at = whole.index("\n\n")
    changed = [
        wrong.model_copy(update={"sentence": f"The {part} is strongly puckered.", "start": at})
        for part in ("mouth", "lower lip")
    ]
    told = [
        answer(LABELS[0], rejected=tuple(changed[:1]), tokens=100, sampled=10),
        answer(LABELS[0], 1, rejected=(), tokens=100, sampled=0),
        answer(LABELS[0], 2, rejected=None),
    ]
    found = grounding(told)
    assert found.precision is not None
    assert found.precision.estimate == 1
    first = found.as_written
    assert first is not None
    assert (first.texts, first.changed, first.omitted, first.rewritten, first.by_rules) == (2, 1, 1, 0, 0)
    assert first.precision is not None
    assert first.precision.estimate < 1
    assert first.verdicts["contradicted"] == 1
    assert first.extra_tokens == 10 / 200
    assert grounding(told[2:]).as_written is None
