"""Pictures and talks as tensors: our own way, and a real processor of another model."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from expllm.conversations import QUESTIONS, label_conversation
from expllm.data.augment import Change
from expllm.faces import label_set
from expllm.model.bundle import new_bundle
from expllm.model.expllm import supervised_losses
from expllm.model.prepare import HF_SIDE, TYPES, HfPreparer, preparer
from expllm.model.presets import preset

LABELS = label_set(7)
FACE = Image.radial_gradient("L").convert("RGB").resize((50, 40))
ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_our_own_way_resizes_and_normalises() -> None:
    bundle = new_bundle(preset("tiny"), LABELS)
    way, tower = preparer(bundle), bundle.preset.tower
    grey = Image.new("RGB", (30, 60), (124, 116, 104))
    pixels = way.pixels(grey)["pixel_values"]
    assert pixels.shape == (3, tower.image, tower.image)
    assert pixels.dtype == np.float32
    expected = [
        (value / 255 - mean) / std
        for value, mean, std in zip((124, 116, 104), tower.mean, tower.std, strict=True)
    ]
    assert np.allclose(pixels, np.array(expected, np.float32)[:, None, None], atol=1e-6)
    flipped = way.pixels(FACE, Change(flip=True))["pixel_values"]
    assert np.allclose(flipped[:, :, ::-1], way.pixels(FACE)["pixel_values"], atol=0.02)


class Processor:
    """Qwen2-VL's image processor and a tokenizer, put together as its processor does it.

    Its own class asks for torchvision, for videos.
    """

    image_token = "<|image_pad|>"
    model_input_names = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw", TYPES)
    chat_template = TEMPLATE

    def __init__(self, tokenizer: Any, image_processor: Any) -> None:
        self.tokenizer, self.image_processor = tokenizer, image_processor

    def apply_chat_template(self, *given: Any, **more: Any) -> Any:
        return self.tokenizer.apply_chat_template(*given, chat_template=TEMPLATE, **more)

    def __call__(self, images: Any, text: str, return_tensors: str) -> Any:
        found = self.image_processor(images, return_tensors=return_tensors)
        count = int(np.prod(found["image_grid_thw"][0])) // self.image_processor.merge_size**2
        written = text.replace(self.image_token, self.image_token * count)
        return {**found, **self.tokenizer([written], return_tensors=return_tensors)}


@pytest.fixture(scope="module")
def qwen() -> Any:
    """With a tokenizer of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
               "<|image_pad|>", "<|video_pad|>"]  # fmt: skip
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner.train_from_iterator(
        ["face"], trainers.BpeTrainer(special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>",
        additional_special_tokens=special[1:],
    )  # fmt: skip
    return Processor(tokenizer, Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=HF_SIDE * HF_SIDE))


def test_a_processor_of_another_model_gives_what_its_model_takes(qwen: Any) -> None:
    way = HfPreparer(qwen, 1024)
    talks = [label_conversation(label, LABELS, QUESTIONS) for label in LABELS[:2]]
    batch = way.batch([way.encoder.encode(talk) for talk in talks], [way.pixels(FACE), way.pixels(FACE)])
    places = batch["input_ids"] == qwen.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    assert torch.equal(batch[TYPES], places.long())
    assert int(places.sum()) == 2 * way.encoder.image_tokens == 2 * (HF_SIDE // 28) ** 2


def test_such_a_model_can_be_trained(qwen: Any) -> None:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    vocabulary = len(qwen.tokenizer)
    ids = {name: qwen.tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    config = Qwen2VLConfig(
        text_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                     "num_key_value_heads": 2, "intermediate_size": 32, "vocab_size": vocabulary,
                     "rope_parameters": ROPE},
        vision_config={"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 1},
        image_token_id=ids["image_pad"], video_token_id=ids["video_pad"],
        vision_start_token_id=3, vision_end_token_id=4,
    )  # fmt: skip
    model = Qwen2VLForConditionalGeneration(config)
    way = HfPreparer(qwen, 1024)
    talk = way.encoder.encode(label_conversation(LABELS[0], LABELS, QUESTIONS))
    batch = way.batch([talk], [way.pixels(FACE)])
    labels = batch.pop("labels")
    losses = supervised_losses(model, batch, labels)
    whole = model(**batch, labels=labels).loss
    assert torch.allclose(losses.total / losses.tokens, whole, atol=1e-5)
    losses.total.backward()  # type: ignore[no-untyped-call]
