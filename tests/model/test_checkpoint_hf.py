"""Another model of `transformers` (`hf:`), from a folder: saved, loaded, merged through the same code."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from smallmodels import inputs, logits, shared_bundle
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from expllm.core.vocabulary import label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.checkpoint import load_model, save
from expllm.model.hub.merge import merge_model
from expllm.model.presets import preset


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llava that knows nothing of ExpLLM: a merged model."""
    place = tmp_path_factory.mktemp("other")
    save(place / "m", shared_bundle(), {})
    merge_model(place / "m", place / "llava")
    return place / "llava"


@pytest.fixture(scope="module")
def adapted(other: Path) -> Bundle:
    bundle = new_bundle(preset(f"hf:{other}"), label_set(8), seed=2)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B." in name:
            parameter.data = torch.full_like(parameter, 0.05)
    bundle.model.eval()
    return bundle


def given_inputs() -> dict[str, Tensor]:
    return inputs(shared_bundle())


def test_saved_and_loaded(adapted: Bundle, other: Path, tmp_path: Path) -> None:
    save(tmp_path / "m", adapted, {})
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert names == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "expllm.json",
        "projector.safetensors",
    }
    loaded = load_model(tmp_path / "m")
    assert loaded.processor is not None
    assert loaded.labels == label_set(8)
    assert torch.equal(logits(loaded.model, given_inputs()), logits(adapted.model, given_inputs()))
    plain: Any = AutoModelForImageTextToText.from_pretrained(other)
    found = PeftModel.from_pretrained(plain, tmp_path / "m").eval()
    assert torch.equal(logits(found, given_inputs()), logits(adapted.model, given_inputs()))


def test_merged(adapted: Bundle, tmp_path: Path) -> None:
    save(tmp_path / "m", adapted, {})
    merge_model(tmp_path / "m", tmp_path / "plain")
    AutoProcessor.from_pretrained(tmp_path / "plain")
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path / "plain").eval()
    torch.testing.assert_close(
        logits(plain, given_inputs()), logits(adapted.model, given_inputs()), rtol=1e-4, atol=1e-5
    )
