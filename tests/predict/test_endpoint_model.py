"""A merged model behind a real server on loopback: asked as the folder itself is, with the same answers."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import taught
import torch
from conftest import ASTRONAUT
from modelserver import ModelServer, model_server
from PIL import Image, ImageOps
from serving import served
from smallconv import SMALL

from expllm import Predictor
from expllm.chat import UnknownModel, Unreachable
from expllm.core.conversations import HINT, Questions, hinted_units
from expllm.core.errors import UsageError
from expllm.core.records import CoT
from expllm.core.vocabulary import AUVector, label_set
from expllm.faces.crop_reader import CropReader
from expllm.model.bundle import new_bundle
from expllm.model.checkpoint import save
from expllm.model.hub.merge import merge_model
from expllm.model.manifest import add_extra
from expllm.predict import ChatOptions, FaceInput, open_explainer
from expllm.predict.base import FaceAnswer

pytestmark = pytest.mark.usefixtures("impatient")
LABELS = label_set(7)
AUS = AUVector({"jaw drop": 0.4})
OFFERS: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt_logprobs", "logprobs"), "first": ("logprobs",), "nothing": (),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, merged; it looks twice, and its probabilities are corrected."""
    place = tmp_path_factory.mktemp("served")
    bundle = new_bundle(SMALL, LABELS, seed=3)
    drawn = torch.Generator().manual_seed(1)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B." in name:
            parameter.data = torch.randn(parameter.shape, generator=drawn) * 0.2
    bundle.questions = Questions(label="Which of {labels}?", explanation="Why is that?", hint=HINT)
    save(place / "model", bundle, {})
    add_extra(place / "model", {"temperature": 2.0, "mirrored": True})
    merge_model(place / "model", place / "merged")
    return place / "merged"


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[dict[str, ModelServer]]:
    """By what they offer. One refuses what it does not know, and one ignores it."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(model_server(str(folder), offers=offers, refuses=name == "nothing"))
            for name, offers in OFFERS.items()
        }


def faces() -> list[FaceInput]:
    """Three pictures that are not alike."""
    face = Image.open(ASTRONAUT).convert("RGB")
    crops = [face, face.rotate(180), face.crop((100, 100, 300, 260))]
    return [FaceInput(crop, AUS) for crop in crops]


def said(model: str, *, write: bool, **options: Any) -> list[FaceAnswer]:
    chat = {"chat": ChatOptions(max_tokens=24, **options)} if model.startswith("endpoint:") else {}
    with closing(open_explainer(model, dtype="float32", **chat)) as explainer:  # type: ignore[arg-type]
        return explainer.explain(faces(), write=write)


def test_labels_by_the_prompt_are_the_models_own(servers: dict[str, ModelServer], folder: Path) -> None:
    own = said(str(folder), write=False)
    served = said(f"endpoint:{servers['prompt'].url}", write=False)
    assert [one.expression for one in served] == [one.expression for one in own]
    for one, other in zip(own, served, strict=True):
        assert one.probabilities is not None
        assert other.probabilities is not None
        assert max(one.probabilities.values()) > 1.1 / 7  # else any would do
        for label in LABELS:
            assert other.probabilities[label] == pytest.approx(one.probabilities[label], abs=1e-4)


def test_the_text_is_asked_for_as_in_training(servers: dict[str, ModelServer], folder: Path) -> None:
    """Hint, order and label of the model itself; the audit on top."""
    from expllm.predict.trained import ModelExplainer

    server = servers["prompt"]
    before = len(server.engine.seen)
    with closing(ModelExplainer(folder, dtype="float32", audited=False, max_new_tokens=24)) as explainer:
        own = explainer.explain(faces())
    served = said(f"endpoint:{server.url}", write=True)
    for one, other in zip(own, served, strict=True):
        assert one.explanation is not None
        assert other.explanation is not None
        assert other.explanation.text == (one.explanation.text or "").strip()
        assert other.expression == one.expression
        assert other.explanation.second_label == one.explanation.second_label
        assert other.explanation.grounding == one.explanation.grounding
    texts = [json.dumps(request["messages"]) for request in server.engine.seen[before:]]
    assert any("Why is that? Measured, in percent: jaw drop 40." in text for text in texts)


@pytest.mark.parametrize(
    ("others", "stands", "sample"),
    [
        (["The nose is wrinkled.", "The jaw is open."], "The jaw is open.", 2),
        (["The brows rise.", "The brows are up.", "The nose is wrinkled.", "No."], None, None),
    ],
)
def test_a_refuted_sentence_is_asked_for_again(
    folder: Path, others: list[str], stands: str | None, sample: int | None
) -> None:
    """Up to four times; else it is left out, and the headings stay."""
    text = (
        "**Key Observations:** The jaw drops. The brows are raised.\n\n"
        "**Overall Emotional Interpretation:** This speaks for surprise.\n\n**Conclusion:** It is surprise."
    )
    aus = AUVector({"jaw drop": 0.6, "left brow raise": 0.0, "right brow raise": 0.0, "nose wrinkle": 0.0})

    def answer(asked: dict[str, Any]) -> str:
        talk = [one["content"] for one in asked["messages"]]
        if "refute this sentence" in talk[-1] or "cannot stand there" in talk[-1]:
            return others[sum("sentence" in one for one in talk if isinstance(one, str)) - 1]
        return text if "Why is that?" in str(talk[-1]) else "surprise"

    found: list[FaceAnswer] = []
    for audited in (True, False):
        with served(answer) as server:
            chat = ChatOptions(questions=folder, served_name="any")
            model = f"endpoint:{server.url}"
            with closing(open_explainer(model, chat=chat, audited=audited)) as explainer:
                found += explainer.explain([FaceInput(faces()[0].crop, aus)])
            last = [json.loads(seen.body or b"")["messages"][-1]["content"] for seen in server.seen]
            assert sum("sentence" in one for one in last) == (sample or 4) * audited
    shipped, written = (one.explanation for one in found)
    assert shipped is not None
    assert written is not None
    assert (written.text, written.rejected) == (text, None)
    assert shipped.text == text.replace(" The brows are raised.", f" {stands}" if stands else "")
    (one,) = shipped.rejected or ()
    assert (one.sentence, one.replacement, one.sample) == ("The brows are raised.", stands, sample)
    assert found[0].cot is not None


@pytest.mark.slow
def test_a_served_model_that_contradicts_what_was_measured(tmp_path: Path) -> None:
    """A model that learned to say "The lid is raised" of red pictures, about one where no lid is."""
    save(tmp_path / "model", taught.new(), {})
    merge_model(tmp_path / "model", tmp_path / "merged")
    aus = AUVector(dict.fromkeys(("left lid raise", "right lid raise"), 0.0) | {"jaw drop": 0.4})
    texts = {}
    with model_server(str(tmp_path / "merged")) as server:
        for audited in (False, True):
            model = open_explainer(f"endpoint:{server.url}", dtype="float32", audited=audited)
            with closing(model) as explainer:
                (answer,) = explainer.explain([FaceInput(taught.picture(taught.LABELS[0]), aus)])
            assert answer.explanation is not None
            texts[audited] = answer.explanation
    assert "The lid is raised." in (texts[False].text or "")
    assert "The lid is raised." not in (texts[True].text or "")
    assert texts[True].first_text == texts[False].text
    (one,) = texts[True].rejected or ()
    assert one.sentence == "The lid is raised."
    assert all(heading in (texts[True].text or "") for heading in CoT.HEADINGS)


def test_a_hint_is_read_from_the_picture_where_that_is_asked_for(servers: dict[str, ModelServer]) -> None:
    """The server gets what the network reads of the crop, not what was measured."""
    server, (face, *_) = servers["prompt"], faces()
    assert face.crop is not None
    (read,) = CropReader()([face.crop])
    for hint, told in (("self", read), ("none", None)):
        before = len(server.engine.seen)
        options = ChatOptions(max_tokens=24)
        with closing(open_explainer(f"endpoint:{server.url}", chat=options, hint=hint)) as explainer:  # type: ignore[arg-type]
            (found,) = explainer.explain([face])
            licences = explainer.licences
        texts = [json.dumps(request["messages"]) for request in server.engine.seen[before:]]
        expected = "none" if told is None else "self"
        assert (found.hint, "seeing" in licences) == (expected, hint == "self")
        assert any("Measured, in percent" in text for text in texts) is (told is not None)
        if told is not None:
            (first, *_) = hinted_units(told, "feafa")
            assert any(f"Measured, in percent: {first} " in text for text in texts)


def test_without_scores_the_label_is_the_written_one(servers: dict[str, ModelServer]) -> None:
    """Nothing is made up: no probabilities, and an answer that is no label is said to be none."""
    for one in said(f"endpoint:{servers['nothing'].url}", write=False):
        assert one.probabilities is None
        assert one.expression is None
        assert one.explanation is not None
        assert "not one of the model's labels" in (one.explanation.problem or "")


def test_first_tokens_count_only_where_all_labels_are_among_them(servers: dict[str, ModelServer]) -> None:
    """A random model begins with any word: its labels are not among the likeliest."""
    for one in said(f"endpoint:{servers['first'].url}", write=False):
        assert one.probabilities is None


def test_probabilities_by_first_tokens(folder: Path) -> None:
    """Of the face and its mirror image, at the model's temperature."""
    from expllm.core.conversations import label_question
    from expllm.model.served_model import ServedModel

    known = ServedModel.read(folder)
    with model_server(str(folder), offers=("logprobs",), likeliest=1536) as server:
        served = said(f"endpoint:{server.url}", write=False)
        asked = label_question(known.labels, known.questions).turns[0].text
        face = faces()[0].crop
        assert face is not None
        means = []
        for crop in (face, ImageOps.mirror(face)):
            square = crop.resize((known.side, known.side), Image.Resampling.BICUBIC)
            content = [{"type": "image", "image": square}, {"type": "text", "text": asked}]
            following = server.engine._prompt([{"role": "user", "content": content}])[2]
            means.append(following[[ids[0] for ids in known.words]].double().log_softmax(-1))
        expected = (torch.stack(means).mean(0) / 2.0).softmax(-1)
    found = served[0].probabilities
    assert found is not None
    assert [found[label] for label in LABELS] == pytest.approx(expected.tolist(), abs=1e-5)
    assert served[0].expression is LABELS[int(expected.argmax())]


def test_in_an_analysis(servers: dict[str, ModelServer]) -> None:
    chat = ChatOptions(max_tokens=24)
    with Predictor.load(f"endpoint:{servers['prompt'].url}", chat=chat, abstain=0.9) as predictor:
        (face,) = predictor.analyze(ASTRONAUT)
    assert face.uncertain
    assert face.probabilities is not None
    assert face.provenance is not None
    assert face.provenance.classifier.startswith(f"endpoint:{servers['prompt'].url} (sha256 ")


def test_uncertain_needs_probabilities(servers: dict[str, ModelServer]) -> None:
    with pytest.raises(UsageError, match="needs probabilities"):
        Predictor.load(f"endpoint:{servers['nothing'].url}", abstain=0.5)


def test_what_is_not_known_is_asked_for(
    folder: Path, tmp_path: Path, servers: dict[str, ModelServer]
) -> None:
    url = servers["prompt"].url
    with pytest.raises(UsageError, match="is not merged"):
        open_explainer(f"endpoint:{url}", chat=ChatOptions(questions=folder.parent / "model"))
    with pytest.raises(UsageError, match="--questions FOLDER"):
        open_explainer(f"endpoint:{url}", chat=ChatOptions(served_name="another"))
    with pytest.raises(Unreachable, match="check the address behind endpoint:"):
        open_explainer("endpoint:http://127.0.0.1:9/v1")
    with pytest.raises(UsageError, match=r"--temperature is for chat:NAME"):
        open_explainer(f"endpoint:{url}", chat=ChatOptions(temperature=0.5))
    with pytest.raises(UsageError, match=r"--questions is for endpoint:URL"):
        open_explainer("chat:m", chat=ChatOptions(questions=folder))
    with pytest.raises(UsageError, match="label set of its own"):
        open_explainer(f"endpoint:{url}", labels=7)


def test_a_name_that_the_server_does_not_know(folder: Path, servers: dict[str, ModelServer]) -> None:
    options = ChatOptions(served_name="another", questions=folder)
    with (
        closing(open_explainer(f"endpoint:{servers['prompt'].url}", chat=options)) as explainer,
        pytest.raises(UnknownModel, match="check --served-model-name"),
    ):
        explainer.explain(faces()[:1], write=False)


def test_one_pass_over_the_label_scores() -> None:
    from expllm.predict.endpoint_labels import normalised

    scaled = np.exp(normalised([-1.0, -2.0, -4.0], 2.0))
    np.testing.assert_allclose(scaled, np.exp([-0.5, -1.0, -2.0]) / np.exp([-0.5, -1.0, -2.0]).sum())
