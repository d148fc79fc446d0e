"""Expected names and shapes of a model's weights, derived from its sizes without building it."""

from collections.abc import Mapping
from typing import Any

from expllm.model.presets import Lora
from expllm.model.weight_keys import TensorShape

_ADAPTED = "base_model.model."


def llama_shapes(config: Mapping[str, Any]) -> dict[str, TensorShape]:
    """Of a causal language model of Llama's architecture, by the names in its file.

    Args:
        config: What its `config.json` says.
    """
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    width = hidden // config["num_attention_heads"]
    queries, keys = hidden, width * config["num_key_value_heads"]
    shapes: dict[str, TensorShape] = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    for number in range(config["num_hidden_layers"]):
        rows = {"q": queries, "k": keys, "v": keys}
        block: dict[str, TensorShape] = {f"self_attn.{x}_proj": (count, hidden) for x, count in rows.items()}
        block |= {"self_attn.o_proj": (hidden, queries), "mlp.down_proj": (hidden, inner)}
        block |= {f"mlp.{name}_proj": (inner, hidden) for name in ("gate", "up")}
        block |= {"input_layernorm": (hidden,), "post_attention_layernorm": (hidden,)}
        shapes |= {f"model.layers.{number}.{name}.weight": shape for name, shape in block.items()}
    shapes["model.norm.weight"] = (hidden,)
    if not config.get("tie_word_embeddings"):
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    return shapes


def projector_shapes(tower: int, language: int) -> dict[str, TensorShape]:
    """Of the two layers between a tower and a language model of these widths."""
    return {
        "linear_1.weight": (language, tower), "linear_1.bias": (language,),
        "linear_2.weight": (language, language), "linear_2.bias": (language,),
    }  # fmt: skip


def adapter_shapes(weights: Mapping[str, TensorShape], lora: Lora) -> dict[str, TensorShape]:
    """Of the adapters of all layers that are to have them, by the names that `peft` gives them.

    Args:
        weights: Shapes of the model's weights, by name; those of a convolution have a kernel behind.
    """
    shapes: dict[str, TensorShape] = {}
    for name, (out, *rest) in weights.items():
        layer, _, end = name.rpartition(".")
        adapted = end == "weight" and layer.rpartition(".")[2] in lora.targets
        if adapted and "multi_modal_projector" not in layer:
            shapes[f"{_ADAPTED}{layer}.lora_A.weight"] = (lora.rank, *rest)
            shapes[f"{_ADAPTED}{layer}.lora_B.weight"] = (out, lora.rank, *([1] * len(rest[1:])))
    return shapes
