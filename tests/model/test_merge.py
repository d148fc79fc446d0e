"""The merged folder, read by plain `transformers` in a process that knows nothing of ExpLLM."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from smallmodels import features, inputs, logits, shared_bundle, tiny_bundle
from transformers import AutoProcessor, AutoTokenizer, Dinov2Model

from expllm.core.conversations import explanation_question, label_conversation, label_question
from expllm.core.errors import OutputError, UsageError
from expllm.core.vocabulary import Expression
from expllm.model.chat_templates import TEMPLATES, Marks
from expllm.model.checkpoint import save
from expllm.model.hub.merge import as_vit, jinja_template, merge_model
from expllm.model.model_inputs import preparer
from expllm.model.presets import PRESETS, TINY_TOWER
from expllm.model.vlm import PatchTower, tower_config


def ask_plain(folder: str) -> None:
    """Asks the merged model as others would, of `given.safetensors`; writes `found.safetensors`."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    torch.set_num_threads(1)
    model = LlavaForConditionalGeneration.from_pretrained(f"{folder}/merged")
    AutoProcessor.from_pretrained(f"{folder}/merged")
    given = load_file(f"{folder}/given.safetensors")
    seen = []
    model.model.multi_modal_projector.register_forward_hook(lambda module, args, out: seen.append(args[0]))
    with torch.no_grad():
        logits = model(**given).logits
    save_file({"logits": logits, "features": seen[0].contiguous()}, f"{folder}/found.safetensors")


def ask_plain_apart(folder: str) -> None:
    """The same in a process that knows nothing of ExpLLM."""
    code = f"{inspect.getsource(ask_plain)}\nask_plain({folder!r})\nimport sys\n"
    code += "assert not [name for name in sys.modules if name.startswith(('expllm', 'peft'))]"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved model and the merged one."""
    path = tmp_path_factory.mktemp("merge")
    save(path / "saved", shared_bundle(), {})
    merge_model(path / "saved", path / "merged")
    return path


@pytest.mark.parametrize("ask", [ask_plain, pytest.param(ask_plain_apart, marks=pytest.mark.slow)])
def test_plain_transformers_gives_the_same_logits_and_features(
    place: Path, ask: Callable[[str], None]
) -> None:
    bundle = shared_bundle()
    given = inputs(bundle)
    save_file(given, place / "given.safetensors")
    ask(str(place))
    found = load_file(place / "found.safetensors")
    expected = logits(bundle.model, given)
    assert float(expected.std()) > 0.01
    torch.testing.assert_close(found["logits"], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        found["features"], features(bundle.model, given["pixel_values"]), rtol=1e-4, atol=1e-5
    )


def test_the_adapters_are_not_lost(place: Path) -> None:
    """The tolerance above would not hide a merge that left something out."""
    bundle = tiny_bundle()
    given = inputs(bundle)
    with bundle.model.disable_adapter():  # type: ignore[operator]
        without = logits(bundle.model, given)
    assert (logits(bundle.model, given) - without).abs().max() > 1e-3


@pytest.mark.parametrize("side", [28, 56, 70])
def test_a_tower_as_a_vit(side: int) -> None:
    tower = tiny_bundle().model.get_base_model().model.vision_tower  # type: ignore[operator]
    assert float(tower.encoder.layer[0].layer_scale1.lambda1.std()) > 0.01
    plain = PatchTower(tower_config(TINY_TOWER))
    plain.load_state_dict({key.replace(".base_layer", ""): value for key, value in tower.state_dict().items()
                           if ".lora_" not in key})  # fmt: skip
    pixels = torch.randn(2, 3, side, side)
    with torch.no_grad():
        found = as_vit(plain.eval(), side)(pixels, output_hidden_states=True).hidden_states[-1]
        own = plain(pixels).last_hidden_state
        original = Dinov2Model(plain.config).eval()
        original.load_state_dict(plain.state_dict())
        before_norm = original(pixels, output_hidden_states=True).hidden_states[-1]
    torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)
    assert (before_norm - own).abs().max() > 0.1  # what plain Llava takes of a DINOv2


def test_swiglu_has_no_plain_form() -> None:
    config = tower_config(TINY_TOWER)
    config.use_swiglu_ffn = True
    with pytest.raises(UsageError, match="SwiGLU"):
        as_vit(PatchTower(config), 28)


def test_the_processor_makes_the_same_pixels(place: Path, astronaut: NDArray[np.uint8]) -> None:
    processor = AutoProcessor.from_pretrained(place / "merged")
    own = preparer(shared_bundle())
    for array in (astronaut, astronaut[:100, :37], astronaut[:9, :9]):
        image = Image.fromarray(array)
        found = np.asarray(processor.image_processor(image, return_tensors="np")["pixel_values"][0])
        np.testing.assert_allclose(found, own.pixels(image)["pixel_values"], rtol=0, atol=2e-6)


def test_the_processor_makes_the_same_tokens(place: Path, astronaut: NDArray[np.uint8]) -> None:
    processor = AutoProcessor.from_pretrained(place / "merged")
    own = preparer(shared_bundle()).encoder
    labels = shared_bundle().labels
    for conversation in (label_question(labels), explanation_question(),
                         label_conversation(Expression.FEAR, labels).asked("Why?")):  # fmt: skip
        messages = [{"role": turn.role, "content": [{"type": "text", "text": turn.text}]}
                    for turn in conversation.turns]  # fmt: skip
        messages[0]["content"] = [{"type": "image"}, *messages[0]["content"]]
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        found = processor(images=Image.fromarray(astronaut), text=text)
        assert list(found["input_ids"][0]) == own.prompt(conversation)


@pytest.mark.parametrize("name", ["paper", "compact", "tiny"])
def test_jinja_writes_the_template_of_every_preset(name: str) -> None:
    preset = PRESETS[name]
    marks = Marks(preset.language.image_token, "</s>", (preset.language.image_token, "</s>"))
    labels = shared_bundle().labels
    conversation = label_conversation(Expression.FEAR, labels).asked("Why?").answered('"So')
    own = "".join(piece.text for piece in TEMPLATES[preset.language.template].pieces(conversation, marks))
    tokenizer = shared_bundle().tokenizer
    messages = [{"role": turn.role, "content": turn.text} for turn in conversation.turns]
    messages[0]["content"] = [{"type": "image"}, {"type": "text", "text": messages[0]["content"]}]  # type: ignore[assignment]
    written = tokenizer.apply_chat_template(
        messages, chat_template=jinja_template(preset, "</s>"), tokenize=False
    )
    assert written == own


def test_merged_in_half_precision(place: Path) -> None:
    merge_model(place / "saved", place / "half", torch.bfloat16)
    assert json.loads((place / "half" / "config.json").read_text())["dtype"] == "bfloat16"
    AutoTokenizer.from_pretrained(place / "half")


def test_nothing_is_replaced(place: Path) -> None:
    """Least of all the model itself, whose adapters would be lost."""
    before = {path.name: path.stat().st_mtime_ns for path in (place / "saved").iterdir()}
    for output in ("saved", "merged"):
        with pytest.raises(OutputError, match="something is there"):
            merge_model(place / "saved", place / output)
    assert {path.name: path.stat().st_mtime_ns for path in (place / "saved").iterdir()} == before


def test_a_model_trained_in_four_bits_is_merged_without_a_card(tmp_path: Path) -> None:
    bundle = tiny_bundle()
    save(tmp_path / "m", replace(bundle, preset=replace(bundle.preset, quantization="nf4")), {})
    merge_model(tmp_path / "m", tmp_path / "merged")
    assert (tmp_path / "merged" / "model.safetensors").is_file()
