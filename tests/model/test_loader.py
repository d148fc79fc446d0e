"""The shipped model without the libraries that train it: the same answers."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from expllm.core.errors import MissingWeights
from expllm.core.vocabulary import AUVector
from expllm.model import checkpoint
from expllm.model.build import load_tokenizer
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.loader import FastRuntime, Rotary, load_fast_runtime
from expllm.model.manifest import ModelError
from expllm.model.presets import preset
from expllm.model.shipped import missing_packages, model_folder
from expllm.model.tensors import AT_ONCE, each_weight

pytestmark = pytest.mark.skipif(bool(missing_packages()), reason="needs the model's packages")
FACES = [
    Image.radial_gradient("L").convert("RGB").resize((90, 110)),
    Image.new("RGB", (48, 48), (90, 70, 60)),
]
AUS = [AUVector({"left lip corner pull": 0.8, "right lip corner pull": 0.7}), None]


@pytest.fixture(scope="module")
def folder() -> Path:
    """The shipped model's; SmolLM2 is unpacked."""
    load_tokenizer(preset("compact").language)
    return model_folder("compact")


@pytest.fixture(scope="module")
def light(folder: Path) -> FastRuntime:
    found = load_fast_runtime(folder, "cpu")
    assert found is not None
    return found


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def both(request: Any, folder: Path, light: FastRuntime) -> tuple[FaceVLM, FaceVLM]:
    dtype = request.param
    return FaceVLM(light, dtype=dtype), FaceVLM(checkpoint.load_model(folder, dtype), dtype=dtype)


def in_16_bits(vlm: FaceVLM) -> bool:
    return vlm._backend.language.dtype is torch.bfloat16  # type: ignore[attr-defined]


@pytest.mark.slow
def test_labels_are_the_same(both: tuple[FaceVLM, FaceVLM]) -> None:
    """Bit for bit here; another processor may sum what lies elsewhere in memory in another order."""
    ours, theirs = (one.score_labels(FACES) for one in both)
    assert np.abs(ours.sums - theirs.sums).max() < (0.1 if in_16_bits(both[0]) else 1e-3)


@pytest.mark.slow
def test_texts_are_the_same(both: tuple[FaceVLM, FaceVLM]) -> None:
    ours, theirs = (one.explanations(FACES, max_new_tokens=24, aus=AUS) for one in both)
    if in_16_bits(both[0]):  # words depend on last bits there
        assert [one.tokens for one in ours] == [one.tokens for one in theirs]
    else:
        assert [one.text for one in ours] == [one.text for one in theirs]


LOADED = """
import sys, torch
from pathlib import Path
from PIL import Image
from expllm.model.inference.generate import FaceVLM
vlm = FaceVLM.load(Path(sys.argv[1]), getattr(torch, sys.argv[2]))
print("model.safetensors" in Path("/proc/self/maps").read_text())
vlm.score_labels([Image.new("RGB", (48, 48))])
print([name for name in ("transformers", "peft", "accelerate", "torch._dynamo") if name in sys.modules])
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux, which tells what is mapped")
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_is_how_the_model_is_loaded(folder: Path, dtype: str) -> None:
    """In a process of its own: for an answer neither `transformers` nor `peft` is imported, and the file does
    not stay in memory beside the weights."""
    command = [sys.executable, "-c", LOADED, str(folder), dtype]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["False", "[]", ""]


def test_weights_that_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    stored = {f"layer{number}": torch.full((2, 3), float(number)) for number in range(2 * AT_ONCE + 1)}
    save_file(stored, tmp_path / "some.safetensors")
    names = sorted(stored)
    read = dict(each_weight(tmp_path / "some.safetensors", names[1:]))
    assert list(read) == names[1:]
    assert all(torch.equal(read[name], stored[name]) for name in read)


def test_a_cut_file_of_weights(tmp_path: Path) -> None:
    save_file({"layer": torch.zeros(99)}, tmp_path / "some.safetensors")
    whole = (tmp_path / "some.safetensors").read_bytes()
    (tmp_path / "some.safetensors").write_bytes(whole[:-9])
    with pytest.raises(MissingWeights, match=r"some\.safetensors: cannot be read .*: copy the whole folder"):
        list(each_weight(tmp_path / "some.safetensors", ["layer"]))


@pytest.mark.slow
def test_the_tokenizer_is_the_same(light: FastRuntime) -> None:
    theirs: Any = load_tokenizer(preset("compact").language)
    ours = light.tokenizer
    assert ours.eos_token == theirs.eos_token
    assert (ours.bos_token_id, ours.unk_token_id) == (theirs.bos_token_id, theirs.unk_token_id)
    assert ours.added_tokens_decoder.keys() == theirs.added_tokens_decoder.keys()
    text = "<|im_start|>Both brows rise, slightly: naïve 😀.<|im_end|>"
    ids = theirs.encode(text)
    for skip in (True, False):
        asked = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": False}
        assert ours.decode(ids, **asked) == theirs.decode(ids, **asked)


def test_turns_are_those_of_transformers() -> None:
    config = LlamaConfig(
        hidden_size=576, num_attention_heads=9,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
    )  # fmt: skip
    places = torch.arange(600)[None]
    like = torch.zeros(1)
    for ours, theirs in zip(
        Rotary(config)(like, places), LlamaRotaryEmbedding(config)(like, places), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_a_missing_file_is_one_line(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    (copy / "projector.safetensors").unlink()
    with pytest.raises(MissingWeights, match=r"projector\.safetensors: is missing"):
        load_fast_runtime(copy, "cpu")


def test_adapters_of_other_layers_are_refused(folder: Path, light: FastRuntime, tmp_path: Path) -> None:
    """Left out in silence, they would be other answers."""
    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    name = "base_model.model.model.language_model.layers.77.self_attn.q_proj.lora_A.weight"
    save_file({name: torch.zeros(8, 576)}, copy / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"layers\.77\.self_attn\.q_proj\.lora_A\.weight is not expected"):
        FaceVLM(replace(light, folder=copy))


def test_sentences_are_encoded_as_by_transformers(light: FastRuntime) -> None:
    """Audited decoding puts sentences of the rules among the tokens of a text."""
    theirs = load_tokenizer(preset("compact").language)
    for text in ("\n\n", " Overall, the expression is fear.", "The jaw drops.", "\u00e9\u4e2d"):
        assert light.tokenizer.encode(text, add_special_tokens=False) == theirs.encode(
            text, add_special_tokens=False
        )


def test_other_models_go_the_usual_way(tmp_path: Path) -> None:
    from smallmodels import tiny_bundle

    checkpoint.save(tmp_path / "tiny", tiny_bundle(), {})
    assert load_fast_runtime(tmp_path / "tiny", "cpu") is None
