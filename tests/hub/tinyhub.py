"""A tiny hub in a cache folder: the files, key names and settings of the published checkpoints, small sizes.

What is published was written down from the hub: `facebook/dinov2-large`, `lmsys/vicuna-7b-v1.5`, and what the
released code's trainer saves. Only sizes and numbers are others.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import torch
from safetensors.torch import save as as_safetensors
from torch import Tensor

from expllm.core.records import CoT
from expllm.core.vocabulary import AU_NAMES
from expllm.model.chat_templates import VICUNA
from expllm.model.tiny_tokenizer import WORDS

Form = Literal["safetensors", "bin"]
Files = dict[str, bytes]

DINOV2: Final = "facebook/dinov2-large"
VICUNA_REPO: Final = "lmsys/vicuna-7b-v1.5"
RELEASED: Final = "starhiking/ExpLLM"
COMMIT: Final = {
    DINOV2: "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
    VICUNA_REPO: "3321f76e3f527bd14065daf69dad9344000a201d",
    RELEASED: "5b1c2d3e4f5061728394a5b6c7d8e9f001122334",
}
TOWER_HIDDEN, TOWER_HEADS, PATCH, NATIVE = 128, 2, 14, 518
HIDDEN, HEADS, KEY_HEADS, INTERMEDIATE, LAYERS, VOCABULARY = 64, 4, 4, 160, 2, 800


def drawn(seed: int, names_and_shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """Random tensors, each by its name alone, so that leaving one out changes no other."""
    found = {}
    for name, shape in names_and_shapes.items():
        digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:6], "big"))
        values = torch.randn(*shape, generator=generator)
        scale = 0.6 / shape[-1] ** 0.5 if len(shape) == 2 else 0.3
        about = 1.0 if "norm" in name and name.endswith("weight") else 0.6 if "lambda1" in name else 0.0
        found[name] = about + values * (0.1 if about else scale)
    return found


def tower_shapes() -> dict[str, Sequence[int]]:
    """Of `facebook/dinov2-large`, in the file's own order."""
    h = TOWER_HIDDEN
    shapes: dict[str, Sequence[int]] = {
        "embeddings.cls_token": (1, 1, h), "embeddings.mask_token": (1, h),
        "embeddings.position_embeddings": (1, 1 + (NATIVE // PATCH) ** 2, h),
        "embeddings.patch_embeddings.projection.weight": (h, 3, PATCH, PATCH),
        "embeddings.patch_embeddings.projection.bias": (h,),
    }  # fmt: skip
    for number in range(LAYERS):
        at = f"encoder.layer.{number}."
        linear = {f"attention.attention.{x}": (h, h) for x in ("query", "key", "value")}
        linear |= {"attention.output.dense": (h, h), "mlp.fc1": (4 * h, h), "mlp.fc2": (h, 4 * h)}
        for name, shape in linear.items():
            shapes |= {f"{at}{name}.weight": shape, f"{at}{name}.bias": shape[:1]}
        for name in ("norm1", "norm2"):
            shapes |= {f"{at}{name}.weight": (h,), f"{at}{name}.bias": (h,)}
        shapes |= {f"{at}layer_scale{half}.lambda1": (h,) for half in (1, 2)}
    return shapes | {"layernorm.weight": (h,), "layernorm.bias": (h,)}


@cache
def tower_state() -> dict[str, Tensor]:
    """Weights of the tiny DINOv2 by the hub's names, in 32 bits as published."""
    return drawn(1, tower_shapes())


def language_shapes() -> dict[str, Sequence[int]]:
    """Of a Llama on the hub, without what is computed from the sizes."""
    h, inner, keys = HIDDEN, INTERMEDIATE, HIDDEN // HEADS * KEY_HEADS
    rows = {"q": h, "k": keys, "v": keys}
    shapes: dict[str, Sequence[int]] = {"model.embed_tokens.weight": (VOCABULARY, h)}
    for number in range(LAYERS):
        at = f"model.layers.{number}."
        shapes |= {f"{at}self_attn.{letter}_proj.weight": (count, h) for letter, count in rows.items()}
        shapes |= {
            f"{at}self_attn.o_proj.weight": (h, h), f"{at}mlp.gate_proj.weight": (inner, h),
            f"{at}mlp.up_proj.weight": (inner, h), f"{at}mlp.down_proj.weight": (h, inner),
            f"{at}input_layernorm.weight": (h,), f"{at}post_attention_layernorm.weight": (h,),
        }  # fmt: skip
    return shapes | {"model.norm.weight": (h,), "lm_head.weight": (VOCABULARY, h)}


@cache
def language_state() -> dict[str, Tensor]:
    """Weights of the tiny Vicuna by the hub's names, in 16 bits, with the frequencies that old files hold."""
    state = {name: tensor.half() for name, tensor in drawn(2, language_shapes()).items()}
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        state[name] = state[name] * 4  # so that answers differ from face to face
    width = HIDDEN // HEADS
    frequencies = 1 / 10_000 ** (torch.arange(0, width, 2).float() / width)
    for number in range(LAYERS):
        state[f"model.layers.{number}.self_attn.rotary_emb.inv_freq"] = frequencies.clone()
    return state


def tower_files(*forms: Form, state: Mapping[str, Tensor] | None = None) -> Files:
    """The files of `facebook/dinov2-large`."""
    kept = dict(tower_state() if state is None else state)
    files = {"config.json": as_json(TOWER_CONFIG), "preprocessor_config.json": as_json(PREPROCESSOR)}
    if "safetensors" in forms:
        files["model.safetensors"] = as_safetensors(kept, {"format": "pt"})
    if "bin" in forms:
        files["pytorch_model.bin"] = as_pickle(kept)
    return files


def vicuna_files(form: Form = "bin", state: Mapping[str, Tensor] | None = None) -> Files:
    """The files of `lmsys/vicuna-7b-v1.5`; on the hub they are pickled."""
    kept = dict(language_state() if state is None else state)
    return {
        "config.json": as_json(LANGUAGE_CONFIG),
        "generation_config.json": as_json(GENERATION_CONFIG),
        **tokenizer_files(),
        **sharded(kept, form),
    }


def tokenizer_files() -> Files:
    """Vicuna has a model of sentencepiece and no `tokenizer.json`."""
    return {
        "tokenizer.model": sentencepiece_model(),
        "tokenizer_config.json": as_json(TOKENIZER_CONFIG),
        "special_tokens_map.json": as_json(SPECIAL_TOKENS),
    }


def sharded(state: Mapping[str, Tensor], form: Form, shards: int = 2) -> Files:
    """Pieces of a checkpoint, and the index that says which tensor lies in which."""
    stem, end = ("model", "safetensors") if form == "safetensors" else ("pytorch_model", "bin")
    names: list[str] = list(state)
    files: Files = {}
    where: dict[str, str] = {}
    size = -(-len(names) // shards)
    for number in range(shards):
        piece = {name: state[name] for name in names[number * size : (number + 1) * size]}
        file = f"{stem}-{number + 1:05d}-of-{shards:05d}.{end}"
        files[file] = as_safetensors(piece, {"format": "pt"}) if form == "safetensors" else as_pickle(piece)
        where |= dict.fromkeys(piece, file)
    total = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": where}
    return {**files, f"{stem}.{end}.index.json": as_json(index)}


def released_state() -> dict[str, Tensor]:
    """The released code's model by its own keys: Meta's DINOv2 beside a Llama, with LoRA in both."""
    state = dict(language_state())
    state |= {f"vision_model.{name}": tensor for name, tensor in _metas_names(tower_state()).items()}
    h, t, rank = HIDDEN, TOWER_HIDDEN, 8
    learned: dict[str, Sequence[int]] = {
        "mm_projector.0.weight": (h, t), "mm_projector.0.bias": (h,),
        "mm_projector.2.weight": (h, h), "mm_projector.2.bias": (h,),
    }  # fmt: skip
    for number in range(LAYERS):
        for letter in "qv":
            at = f"model.layers.{number}.self_attn.{letter}_proj.lora_"
            learned |= {f"{at}A": (rank, h), f"{at}B": (h, rank)}
            at = f"vision_model.blocks.{number}.attn.lora_"
            learned |= {f"{at}A_{letter}": (rank, t), f"{at}B_{letter}": (t, rank)}
    return state | drawn(3, learned)


def _metas_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    own = dict(state)
    found = {"cls_token": own.pop("embeddings.cls_token"), "mask_token": own.pop("embeddings.mask_token"),
             "pos_embed": own.pop("embeddings.position_embeddings")}  # fmt: skip
    for number in range(LAYERS):
        at, block = f"encoder.layer.{number}.", f"blocks.{number}."
        for end in ("weight", "bias"):
            three = [own.pop(f"{at}attention.attention.{x}.{end}") for x in ("query", "key", "value")]
            found[f"{block}attn.qkv.{end}"] = torch.cat(three)
            found[f"{block}attn.proj.{end}"] = own.pop(f"{at}attention.output.dense.{end}")
        for half in (1, 2):
            found[f"{block}ls{half}.gamma"] = own.pop(f"{at}layer_scale{half}.lambda1")
    for name, tensor in own.items():
        theirs = name.replace("embeddings.patch_embeddings.projection", "patch_embed.proj")
        found[theirs.replace("encoder.layer.", "blocks.").replace("layernorm.", "norm.")] = tensor
    return found


def released_files() -> Files:
    """What the released trainer saves: sharded pickles, the configuration of its own model, the tokenizer."""
    added = {**TOKENIZER_CONFIG, "padding_side": "right", "model_max_length": 2048}
    return {
        "config.json": as_json(RELEASED_CONFIG),
        "generation_config.json": as_json(GENERATION_CONFIG),
        **tokenizer_files(),
        "tokenizer_config.json": as_json(added),
        "added_tokens.json": as_json({"<im_patch>": VOCABULARY}),
        "training_args.bin": b"\x80\x02not read",
        **sharded(released_state(), "bin"),
    }


@dataclass(frozen=True)
class TinyHub:
    """A cache of the hub.

    Attributes:
        cache: What `HF_HUB_CACHE` names.
    """

    cache: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process is given so that it reads this cache and asks nobody."""
        return {"HF_HUB_CACHE": str(self.cache), "HF_HUB_OFFLINE": "1"}

    def lay(self, repo: str, files: Mapping[str, bytes], commit: str | None = None) -> Path:
        """Puts a repository there as the hub's client does, and moves `main` to it: its snapshot."""
        commit = commit or COMMIT[repo]
        folder = self.cache / f"models--{repo.replace('/', '--')}"
        snapshot = folder / "snapshots" / commit
        for place in (folder / "blobs", folder / "refs", snapshot):
            place.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
            blob.write_bytes(content)
            link = snapshot / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(blob, link.parent))
        (folder / "refs" / "main").write_text(commit)
        return snapshot


def tiny_hub(cache: Path, tower: Sequence[Form] = ("safetensors", "bin"), language: Form = "bin") -> TinyHub:
    """Both base models of the preset `paper`."""
    hub = TinyHub(cache)
    hub.lay(DINOV2, tower_files(*tower))
    hub.lay(VICUNA_REPO, vicuna_files(language))
    return hub


def as_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """The same files as somebody downloads them into a folder of his own."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def as_json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, indent=2).encode() + b"\n"


def as_pickle(state: Mapping[str, Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(dict(state), file)
    return file.getvalue()


def sentences() -> Iterator[str]:
    """Texts to learn a vocabulary from."""
    words = [*AU_NAMES, *CoT.HEADINGS, *WORDS.split()]
    yield VICUNA.system
    for start in range(0, len(words), 7):
        yield " ".join(words[start : start + 12])
    yield "USER: What is the expression of the face? ASSISTANT: happiness, surprise, anger, disgust, fear"


@cache
def sentencepiece_model() -> bytes:
    """Byte-pair encoding with the settings of Llama's own model, which Vicuna has."""
    import sentencepiece

    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences()), model_writer=file, model_type="bpe", vocab_size=VOCABULARY,
        byte_fallback=True, split_digits=True, normalization_rule_name="identity", add_dummy_prefix=True,
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, character_coverage=0.99995,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, unk_surface=" \u2047 ", num_threads=1, minloglevel=2,
    )  # fmt: skip
    return file.getvalue()


TOWER_CONFIG: Final = {
    "apply_layernorm": True, "architectures": ["Dinov2Model"], "attention_probs_dropout_prob": 0.0,
    "drop_path_rate": 0.0, "hidden_act": "gelu", "hidden_dropout_prob": 0.0, "hidden_size": TOWER_HIDDEN,
    "image_size": NATIVE, "initializer_range": 0.02, "layer_norm_eps": 1e-06, "layerscale_value": 1.0,
    "mlp_ratio": 4, "model_type": "dinov2", "num_attention_heads": TOWER_HEADS, "num_channels": 3,
    "num_hidden_layers": LAYERS, "out_features": [f"stage{LAYERS}"], "out_indices": [LAYERS],
    "patch_size": PATCH, "qkv_bias": True, "reshape_hidden_states": True,
    "stage_names": ["stem", *(f"stage{number + 1}" for number in range(LAYERS))],
    "torch_dtype": "float32", "transformers_version": "4.32.0.dev0", "use_swiglu_ffn": False,
}  # fmt: skip
PREPROCESSOR: Final = {
    "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "do_convert_rgb": True,
    "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "BitImageProcessor", "image_std": [0.229, 0.224, 0.225], "resample": 3,
    "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 256},
}  # fmt: skip
LANGUAGE_CONFIG: Final = {
    "_name_or_path": "vicuna-7b-v1.5", "architectures": ["LlamaForCausalLM"], "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "hidden_size": HIDDEN, "initializer_range": 0.02,
    "intermediate_size": INTERMEDIATE, "max_position_embeddings": 4096, "model_type": "llama",
    "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "num_key_value_heads": KEY_HEADS,
    "pad_token_id": 0, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": None,
    "tie_word_embeddings": False, "torch_dtype": "float16", "transformers_version": "4.31.0",
    "use_cache": True, "vocab_size": VOCABULARY,
}  # fmt: skip
RELEASED_CONFIG: Final = {
    **LANGUAGE_CONFIG, "_name_or_path": "./checkpoints/ckpts/facetask_ALL", "architectures": ["LocLLMModel"],
    "crop_size": 224, "dino_path": "./checkpoints/model_weights/dinov2_vitl14_pretrain.pth",
    "im_patch_token": VOCABULARY, "llama_path": "", "lora_llm_alpha": 16, "lora_llm_dropout": 0.05,
    "lora_llm_enable": True, "lora_llm_r": 8, "lora_vision_alpha": 16, "lora_vision_dropout": 0.05,
    "lora_vision_enable": True, "lora_vision_r": 8, "model_type": "locllm", "num_patches": 256,
    "torch_dtype": "bfloat16",
}  # fmt: skip
GENERATION_CONFIG: Final = {
    "_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2, "max_length": 4096, "pad_token_id": 0,
    "temperature": 0.9, "top_p": 0.6, "transformers_version": "4.31.0",
}  # fmt: skip


def _token(content: str) -> dict[str, Any]:
    return {"__type": "AddedToken", "content": content, "lstrip": False, "normalized": False,
            "rstrip": False, "single_word": False}  # fmt: skip


TOKENIZER_CONFIG: Final = {
    "add_bos_token": True, "add_eos_token": False, "bos_token": _token("<s>"),
    "clean_up_tokenization_spaces": False, "eos_token": _token("</s>"), "legacy": False,
    "model_max_length": 4096, "pad_token": None, "padding_side": "right", "sp_model_kwargs": {},
    "tokenizer_class": "LlamaTokenizer", "unk_token": _token("<unk>"),
}  # fmt: skip
SPECIAL_TOKENS: Final = {
    **{
        name: {key: value for key, value in _token(content).items() if key != "__type"}
        for name, content in (("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>"))
    },
    "pad_token": "<unk>",
}
