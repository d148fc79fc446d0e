"""Models that are asked through `transformers`: the same answers as by our own reading."""

import numpy as np
import pytest
import taught
import torch
from taught import LABELS, between, picture

from expllm.conversations import explanation_question, label_question
from expllm.data.encode import label_tokens
from expllm.model.answers import Answerer, without_adapters
from expllm.model.anymodel import AnyModel
from expllm.model.bundle import new_bundle
from expllm.model.merge import merge
from expllm.model.prepare import preparer
from expllm.model.presets import preset
from expllm.model.scoring import token_tree
from expllm.model.store import save
from expllm.model.writing import OwnModel

FACES = [picture(label) for label in LABELS[:3]]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Answerer:
    """The taught model as a plain Llava in a folder, which knows nothing of ExpLLM."""
    place = tmp_path_factory.mktemp("elsewhere")
    save(place / "taught", taught.new(), {})
    merge(place / "taught", place / "llava")
    bundle = new_bundle(preset(f"hf:{place / 'llava'}"), LABELS)
    bundle.questions = taught.QUESTIONS
    return Answerer(bundle)


def test_another_model_answers_like_ours(elsewhere: Answerer) -> None:
    assert isinstance(elsewhere._talker, AnyModel)
    here = Answerer(taught.new())
    assert isinstance(here._talker, OwnModel)
    theirs, ours = elsewhere.both(FACES, max_new_tokens=70), here.both(FACES, max_new_tokens=70)
    assert np.abs(theirs.labels.sums - ours.labels.sums).max() < 1e-3  # its tower's scales are folded in
    assert np.abs(theirs.labels_after.sums - ours.labels_after.sums).max() < 1e-3
    assert theirs.explanations == ours.explanations
    assert "".join(elsewhere.stream(FACES[0])) == ours.explanations[0].text


def test_adapters_may_stay() -> None:
    """As with weights in 4 bits, which take no adapter in."""
    bundle = taught.new()
    prepared = preparer(bundle)
    adapted = AnyModel(bundle.model, prepared)
    own = OwnModel(without_adapters(taught.new().model))
    encoder = prepared.encoder
    words = [label_tokens(encoder, label) for label in LABELS]
    tree = token_tree([*words, words[0][:1], [*words[0][:-1], 77, 78, 79]])  # of very different lengths
    pixels = [prepared.pixels(face) for face in (*FACES, between(LABELS[0], LABELS[4], 0.5))]
    asked = [encoder.prompt(label_question(LABELS, taught.QUESTIONS))] * 2
    asked += [encoder.prompt(explanation_question(taught.QUESTIONS))] * 2
    difference = adapted.scores(adapted.look(pixels), asked, tree) - own.scores(own.look(pixels), asked, tree)
    assert difference.abs().max() < 1e-4
    assert torch.equal(
        adapted.scores(adapted.look(pixels), asked, token_tree([[9], [7]])).argmax(1),
        own.scores(own.look(pixels), asked, token_tree([[9], [7]])).argmax(1),
    )
