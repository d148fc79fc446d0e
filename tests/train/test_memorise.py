"""The whole way from faces to a model that writes: 16 faces, learned by heart in seconds."""

from dataclasses import replace

import pytest
import small
import torch

from expllm.core.conversations import explanation_question, label_question
from expllm.core.vocabulary import AU_NAMES, AUVector
from expllm.cot.rule_writer import write_cot
from expllm.model.bundle import Bundle
from expllm.model.checkpoint import load
from expllm.model.model_inputs import preparer
from expllm.model.vlm import inner
from expllm.train.data_sources import read_faces
from expllm.train.recipe import Recipe
from expllm.train.stages import train
from expllm.train.training_sets import FaceTrainingSet

pytestmark = pytest.mark.slow

COUNT, EPOCHS = 16, 320
LEARNS = replace(
    small.INSTRUCT, trains=("projector", "tower", "language"), batch=COUNT, micro_batch=COUNT, epochs=EPOCHS,
    max_steps=None, lr=5e-3, weight_decay=0.0, warmup_ratio=0.1, augment=False, save_steps=10**6,
)  # fmt: skip


def aus_of(number: int) -> AUVector:
    """Four units that only this face has together."""
    names = [AU_NAMES[(number + step * (1 + number // 8)) % len(AU_NAMES)] for step in (0, 5, 9, 14)]
    return AUVector.from_positive(dict.fromkeys(names, 0.3 + 0.04 * number))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Bundle, FaceTrainingSet]:
    folder = tmp_path_factory.mktemp("memorise")
    data = small.draw_faces(folder, COUNT, texts=lambda number, label: write_cot(aus_of(number), label))
    recipe = small.recipe(data, LEARNS)
    bundle = load(train(recipe, folder / "run", quiet=True))
    return recipe, bundle, read_faces(recipe.data, LEARNS, bundle.questions, "train")


def written(bundle: Bundle, reading: FaceTrainingSet, index: int, what: str) -> str:
    """What the model writes about a face, with the libraries' own greedy generation."""
    way = preparer(bundle)
    question = explanation_question() if what == "explanation" else label_question(bundle.labels)
    ids = torch.tensor([way.encoder.prompt(question)])
    pixels = {name: torch.from_numpy(v)[None] for name, v in way.pixels(reading.image(index)).items()}
    out = inner(bundle.model).generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=400, do_sample=False,
        eos_token_id=bundle.tokenizer.eos_token_id, pad_token_id=bundle.tokenizer.pad_token_id, **pixels,
    )  # fmt: skip
    return str(bundle.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))


def test_every_label_is_right(made: tuple[Recipe, Bundle, FaceTrainingSet]) -> None:
    _, bundle, reading = made
    labels = [written(bundle, reading, i, "label") for i in range(COUNT)]
    assert labels == [face.label.value for face in reading.faces]


def test_every_explanation_is_written_word_for_word(made: tuple[Recipe, Bundle, FaceTrainingSet]) -> None:
    _, bundle, reading = made
    texts = [written(bundle, reading, i, "explanation") for i in range(COUNT)]
    assert texts == [face.cot.text if face.cot else None for face in reading.faces]


def test_texts_are_those_of_a_writer(made: tuple[Recipe, Bundle, FaceTrainingSet]) -> None:
    """Not the short ones of the other tests: 16 different texts of the length that the paper asks for."""
    texts = {face.cot.text for face in made[2].faces if face.cot}
    assert len(texts) == COUNT
    assert min(len(text.split()) for text in texts) > 60
