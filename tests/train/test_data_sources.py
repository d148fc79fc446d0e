"""Faces of several data sets, with votes and measured units."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import INSTRUCT, LABELS, cot_of, draw_faces, recipe

from expllm.core.conversations import HINT, HINTED_ABOVE, HINTED_MOST, Questions, explanation_text
from expllm.core.errors import ExpllmError, MissingData
from expllm.core.records import CoT
from expllm.core.vocabulary import AU_BY_NAME, AUVector
from expllm.model.model_inputs import preparer
from expllm.model.tokenize import label_tokens
from expllm.train.data_sources import read_faces
from expllm.train.dataloader import Collate, Examples
from expllm.train.recipe import DataConfig, TurnOrder
from expllm.train.sampling import SampleDraw
from expllm.train.stages import open_model
from expllm.train.training_sets import FaceTrainingSet, SampleDraws, sample_draws

ASKED = Questions(hint=HINT)
UNITS = {"left brow raise": 0.62, "jaw drop": 0.2, "right lid raise": 0.01}


def read(data: DataConfig, questions: Questions = ASKED) -> FaceTrainingSet:
    return read_faces(data, replace(INSTRUCT, order="label-first"), questions, "train")


def measured(folder: Path) -> DataConfig:
    """Faces whose texts come with action units."""
    data = draw_faces(folder, 4)
    texts = folder / "texts.jsonl"
    rows = [json.loads(line) for line in texts.read_text().splitlines()]
    texts.write_text("".join(json.dumps({**row, "aus": UNITS}) + "\n" for row in rows))
    return data


def test_several_data_sets_are_read_one_after_the_other(tmp_path: Path) -> None:
    one, two = draw_faces(tmp_path / "one", 8), draw_faces(tmp_path / "two", 4)
    assert isinstance(one.train, str)
    assert isinstance(two.train, str)
    both = replace(one, train=(one.train, two.train))
    faces = read(both)
    assert [face.id for face in faces.faces] == [face.id for part in (one, two) for face in read(part).faces]
    assert faces.fingerprint != read(one).fingerprint
    assert len(read(replace(both, limit=9)).faces) == 9


def test_the_first_data_set_names_the_labels(tmp_path: Path) -> None:
    few, many = draw_faces(tmp_path / "few", 2), draw_faces(tmp_path / "many", 4)
    assert isinstance(few.train, str)
    assert isinstance(many.train, str)
    assert read(replace(many, train=(many.train, few.train))).labels == read(many).labels
    with pytest.raises(ExpllmError, match="name the data set with the most labels first"):
        read(replace(many, train=(few.train, many.train)))


def test_units_are_told_with_the_question_for_an_explanation_alone(tmp_path: Path) -> None:
    faces = read(measured(tmp_path))
    turns = faces.conversation(0, "explanation").turns
    assert turns[2].text.endswith("Measured, in percent: left brow raise 62, jaw drop 20.")
    assert "percent" not in turns[0].text
    assert "percent" not in faces.conversation(0, "label").turns[0].text
    mirrored = faces.conversation(0, "explanation", mirrored=True).turns
    assert mirrored[2].text.endswith("Measured, in percent: right brow raise 62, jaw drop 20.")


def test_without_hints_nothing_is_told(tmp_path: Path) -> None:
    turns = read(measured(tmp_path), Questions()).conversation(0, "explanation").turns
    assert all("percent" not in turn.text for turn in turns)


def test_a_part_of_the_explanations_goes_without(tmp_path: Path) -> None:
    faces = read(replace(measured(tmp_path), au_hint_dropout=0.25))
    told = [
        "percent" in faces.conversation(0, "explanation", chance=SampleDraws(0.5, hint, 0.5)).turns[2].text
        for hint in (0.0, 0.2499, 0.25, 0.99)
    ]
    assert told == [False, False, True, True]


def explained(data: DataConfig) -> set[int]:
    """Numbers of the faces that have a text."""
    return {int(Path(face.id).stem) for face in read(data).faces if face.cot is not None}


def test_texts_that_are_missing_are_told_before_any_face_is_read(tmp_path: Path) -> None:
    data = replace(draw_faces(tmp_path, 2), texts=str(tmp_path / "runs" / "nowhere"))
    for split in ("train", "valid"):
        gone = replace(data, train=str(tmp_path / "no_faces"), valid=str(tmp_path / "none_either"))
        with pytest.raises(ExpllmError, match="nowhere"):
            read_faces(gone, INSTRUCT, ASKED, split)


def test_long_texts_are_not_learned_and_their_faces_train_labels(tmp_path: Path) -> None:
    data = draw_faces(tmp_path, 3, texts=lambda number, _: longer(cot_of(number), number))
    most = cot_of(0).word_count + 1
    assert explained(data) == {0, 1, 2}
    assert explained(replace(data, max_words=most)) == {0, 1}
    assert len(read(replace(data, max_words=most)).faces) == 3
    assert read(replace(data, max_words=most)).fingerprint != read(data).fingerprint


def longer(cot: CoT, words: int) -> CoT:
    return cot.model_copy(update={"conclusion": cot.conclusion + " so" * words})


def test_texts_with_a_phrase_are_not_learned(tmp_path: Path) -> None:
    data = draw_faces(tmp_path, 4)
    assert explained(replace(data, exclude_phrases=("the LEFT brow",))) == {1, 3}
    assert explained(replace(data, exclude_phrases=("left brow", "lifted 3"))) == {1}
    with pytest.raises(MissingData, match="explains none of the faces"):
        read(replace(data, exclude_phrases=("brow",)))


@pytest.mark.parametrize("share", [0.5, 0.75])
def test_both_orders_are_learned_by_turns(tmp_path: Path, share: float) -> None:
    faces = replace(read(draw_faces(tmp_path, 4)), label_first=share)

    def begins_with_a_label(place: int) -> bool:
        turns = faces.conversation(0, "explanation", chance=sample_draws(7, 0, place)).turns
        return turns[1].text == faces.faces[0].label.value

    first = sum(begins_with_a_label(place) for place in range(400))
    assert abs(first - 400 * share) < 40
    assert faces.conversation(0, "explanation").turns[1].text == faces.faces[0].label.value


@pytest.mark.parametrize(
    ("order", "share"), [("label-first", 1.0), ("explanation-first", 0.0), ("both", 0.75)]
)
def test_an_order_is_a_share(tmp_path: Path, order: TurnOrder, share: float) -> None:
    stage = replace(INSTRUCT, order=order, label_first=0.75)
    faces = read_faces(draw_faces(tmp_path, 4), stage, ASKED, "train")
    assert faces.label_first == share
    first = {
        faces.conversation(0, "explanation", chance=SampleDraws(label=0, hint=0, order=drawn)).turns[1].text
        == faces.faces[0].label.value
        for drawn in (0.0, 0.999)
    }
    assert first == {1.0: {True}, 0.0: {False}, 0.75: {True, False}}[share]


def test_an_annotator_is_drawn_by_the_votes(tmp_path: Path) -> None:
    faces = read(draw_faces(tmp_path, 4))
    shares = tuple({LABELS[0]: 0.75, LABELS[1]: 0.25}.get(label, 0.0) for label in faces.labels)
    voted = replace(faces, faces=tuple(replace(face, votes=shares) for face in faces.faces), votes=True)

    def drawn(faces: FaceTrainingSet, place: int) -> str:
        return faces.conversation(0, "label", chance=sample_draws(7, 0, place)).turns[1].text

    counts = Counter(drawn(voted, place) for place in range(2000))
    assert set(counts) == {LABELS[0].value, LABELS[1].value}
    assert 0.71 < counts[LABELS[0].value] / 2000 < 0.79
    assert {drawn(replace(voted, votes=False), place) for place in range(50)} == {faces.faces[0].label.value}
    # A validation draws nothing, and an explanation bears out the majority.
    assert voted.conversation(0, "label").turns[1].text == faces.faces[0].label.value


def test_votes_are_learned_as_they_were_shared(tmp_path: Path) -> None:
    """By label tasks; an explanation goes with the majority, and a validation asks the same every time."""
    faces = read(draw_faces(tmp_path, 4))
    shares = tuple({LABELS[0]: 0.75, LABELS[1]: 0.25}.get(label, 0.0) for label in faces.labels)
    first = replace(faces.faces[0], votes=shares)
    voted = replace(faces, faces=(first, *faces.faces[1:]), votes=True)
    assert voted.shares(0, "label") == shares
    assert voted.shares(0, "explanation") is None
    assert voted.shares(1, "label") is None
    assert replace(voted, votes=False).shares(0, "label") is None

    way = preparer(open_model(recipe(DataConfig(), INSTRUCT), INSTRUCT, None))
    examples = Examples(voted, way, None, 0)
    keys = [(0, SampleDraw(index, "label")) for index in range(2)]
    batch = Collate(way, voted.labels)([examples[key] for key in keys])
    assert batch["shares"].tolist() == [list(shares), [0.0] * len(voted.labels)]
    assert batch["answers"].tolist() == [label_tokens(way.encoder, label)[0] for label in voted.labels]
    still = replace(examples, still=True)
    assert "shares" not in Collate(way, voted.labels)([still[key] for key in keys])


def test_ferplus_brings_its_votes(shared: Path) -> None:
    data = DataConfig(train=str(shared / "data" / "ferplus:valid"), limit=200)
    faces = read(data).faces
    assert all(face.kind == "ferplus" and face.votes is not None for face in faces)
    labels = read(data).labels
    for face in faces:
        shares = face.votes or ()
        assert sum(shares) == pytest.approx(1)
        assert labels[shares.index(max(shares))] is face.label


def test_a_hint_names_nothing_where_nothing_moves() -> None:
    still = AUVector({"jaw drop": 0.0, "left lid raise": 0.02})
    assert explanation_text(ASKED, still).endswith("Measured, in percent: no visible movement.")
    assert explanation_text(ASKED, None) == ASKED.explanation


@given(st.lists(st.sampled_from(sorted(AU_BY_NAME)), unique=True), st.randoms())
def test_a_hint_tells_the_strongest_with_their_other_sides(names: list[str], luck: random.Random) -> None:
    """And nothing that the engine's texts would not tell; by strength, and mirrored like the face."""
    values = {name: luck.choice([0.0, 0.02, 0.05, luck.random()]) for name in names}
    aus = AUVector(values)
    listed = hinted(aus)
    strengths = [values[name] for name in listed]
    assert strengths == sorted(strengths, reverse=True)
    active = {name for name, value in values.items() if value > HINTED_ABOVE}
    strongest = sorted(active, key=lambda name: -values[name])[: HINTED_MOST["all"]]
    assert set(listed) == {name for name in active if {name, AU_BY_NAME[name].mirror} & set(strongest)}
    assert set(hinted(aus.mirrored())) == {AU_BY_NAME[name].mirror for name in listed}


def hinted(aus: AUVector) -> list[str]:
    text = explanation_text(ASKED, aus).partition("in percent: ")[2].removesuffix(".")
    return [] if text == "no visible movement" else [part.rpartition(" ")[0] for part in text.split(", ")]
