"""Conversations: the order of turns, what may be learned, the builders, the questions."""

import json

import pytest

from expllm.core.conversations import (
    HINT,
    Conversation,
    Questions,
    Turn,
    caption_conversation,
    explanation_conversation,
    explanation_question,
    label_conversation,
    label_question,
)
from expllm.core.errors import RecordError
from expllm.core.records import CoT
from expllm.core.vocabulary import AUVector, Expression, label_set

LABELS = label_set(7)
COT = CoT(
    key_observations="Both lip corners are pulled.",
    overall_emotional_interpretation="This speaks for joy.",
    conclusion="The face shows happiness.",
)
LABEL_QUESTION = (
    "Which expression does this face show: neutral, happiness, sadness, surprise, fear, disgust, anger? "
    "Answer with one of these words."
)


def shown(conversation: Conversation) -> list[tuple[str, str, bool]]:
    return [(turn.role, turn.text, turn.learn) for turn in conversation.turns]


def test_a_label_takes_one_round() -> None:
    built = label_conversation(Expression.FEAR, LABELS)
    assert shown(built) == [("user", LABEL_QUESTION, False), ("assistant", "fear", True)]
    assert built.task == "label"


def test_an_explanation_takes_two_rounds_with_the_text_as_it_is_published() -> None:
    built = explanation_conversation(COT, Expression.HAPPINESS, LABELS)
    assert shown(built) == [
        ("user", Questions().explanation, False),
        ("assistant", COT.text, True),
        ("user", LABEL_QUESTION, False),
        ("assistant", "happiness", True),
    ]
    assert built.turns[1].text.startswith("**Key Observations:** Both lip corners are pulled.\n\n**Overall")
    assert built.task == "explanation"


def test_the_label_can_come_first() -> None:
    built = explanation_conversation(COT, Expression.HAPPINESS, LABELS, "label-first")
    assert built.learned == ("happiness", COT.text)
    assert [turn.text for turn in built.turns[::2]] == [LABEL_QUESTION, Questions().explanation]
    assert built.task == "explanation"


def test_a_caption_takes_one_round() -> None:
    built = caption_conversation(" a dog on a sofa\n")
    assert built.learned == ("a dog on a sofa",)
    assert built.task == "caption"


def test_what_is_asked_at_prediction_is_how_training_begins() -> None:
    assert label_conversation(Expression.FEAR, LABELS).before(1) == label_question(LABELS)
    assert explanation_conversation(COT, Expression.FEAR, LABELS).before(1) == explanation_question()
    assert label_question(LABELS).open
    assert not label_conversation(Expression.FEAR, LABELS).open


def test_a_label_outside_the_set_is_refused() -> None:
    with pytest.raises(RecordError, match="'contempt' is not in the label set: neutral, happiness"):
        label_conversation(Expression.CONTEMPT, LABELS)
    with pytest.raises(RecordError, match="'contempt' is not in the label set"):
        explanation_conversation(COT, Expression.CONTEMPT, LABELS)


def test_a_label_set_has_each_label_once() -> None:
    for labels in ((), (Expression.FEAR, Expression.FEAR)):
        with pytest.raises(RecordError, match="each once"):
            label_question(labels)


@pytest.mark.parametrize(
    ("roles", "problem"),
    [
        ((), "needs a turn of the user"),
        (("system",), "needs a turn of the user"),
        (("assistant", "user"), "turn 1 of a conversation is the assistant's: it must be the user's"),
        (("user", "user"), "turn 2 of a conversation is the user's: it must be the assistant's"),
        (("user", "assistant", "assistant"), "turn 3"),
        (("user", "system", "assistant"), "turn 2 of a conversation is the system's"),
        (("system", "system", "user"), "turn 1"),
    ],
)
def test_the_user_begins_and_the_sides_take_turns(roles: tuple[str, ...], problem: str) -> None:
    with pytest.raises(RecordError, match=problem):
        Conversation(tuple(Turn(role, "text") for role in roles), "label")  # type: ignore[arg-type]


def test_the_system_may_speak_first() -> None:
    turns = Turn("system", "Be brief."), Turn("user", "Who?"), Turn("assistant", "You.", learn=True)
    conversation = Conversation(turns, "label")
    assert conversation.system == "Be brief."
    assert conversation.spoken == turns[1:]


@pytest.mark.parametrize("role", ["user", "system"])
def test_only_the_assistant_is_learned(role: str) -> None:
    with pytest.raises(RecordError, match=f"a turn of the {role} cannot be learned"):
        Turn(role, "text", learn=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        (" fear", "white space"),
        ("fear\n", "white space"),
        ("see <image> here", "'<image>', which stands for a picture"),
        ("half \ud83d", r"half a character: 'half \\ud83d'"),
    ],
)
def test_texts_that_no_turn_may_have(text: str, problem: str) -> None:
    with pytest.raises(RecordError, match=problem):
        Turn("user", text)


def test_another_role_is_refused() -> None:
    with pytest.raises(RecordError, match="not 'tool'"):
        Turn("tool", "text")  # type: ignore[arg-type]


def test_questions_survive_json() -> None:
    questions = Questions(label="One of {labels}?", explanation="Why?", caption="What?")
    assert Questions.from_dict(json.loads(json.dumps(questions.to_dict()))) == questions
    asked = label_question((Expression.FEAR, Expression.ANGER), questions)
    assert asked.turns[0].text == "One of fear, anger?"


@pytest.mark.parametrize(
    "changes",
    [{"label": "Which?"}, {"label": "{labels} {labels}?"}, {"caption": ""}, {"explanation": "<image>"}],
)
def test_faulty_questions_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(RecordError):
        Questions.from_dict({**Questions().to_dict(), **changes})


def test_a_model_from_before_the_units_of_facs_hears_of_feafas_alone() -> None:
    aus = AUVector({"lips part": 0.9, "left brow lower": 0.4, "right brow lower": 0.4})
    before = {name: text for name, text in Questions(hint=HINT).to_dict().items() if name != "hinted"}
    (old,) = explanation_question(Questions.from_dict(before), aus).turns
    (new,) = explanation_question(Questions(hint=HINT), aus).turns
    assert old.text.endswith("Measured, in percent: left brow lower 40, right brow lower 40.")
    assert new.text.endswith("Measured, in percent: lips part 90, left brow lower 40, right brow lower 40.")
    with pytest.raises(RecordError, match="all or feafa"):
        Questions(hinted="some")


def test_questions_of_another_version_are_refused() -> None:
    with pytest.raises(
        RecordError, match="questions must be the texts caption, explanation, hint, hinted, label"
    ):
        Questions.from_dict({"label": "{labels}?"})
    with pytest.raises(RecordError, match="questions must be"):
        Questions.from_dict({**Questions().to_dict(), "title": "?"})
    with pytest.raises(RecordError, match="questions must be"):
        Questions.from_dict({**Questions().to_dict(), "caption": 3})
