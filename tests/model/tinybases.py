"""Bases of today, tiny and random, in folders as their hub repositories are laid out.

Classes of models, processors and tokenizers are the installed ones; chat templates and special tokens are the
published ones, image processors have the published settings but for the size of pictures.
"""

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from tokenizers import AddedToken
from transformers import AutoTokenizer, GemmaTokenizer, GPT2Tokenizer, Qwen2Tokenizer

from expllm.core.vocabulary import Expression
from expllm.model.tiny_tokenizer import WORDS
from expllm.model.video_processors import NoVideos, without_videos

SIDE: Final = 56
TEXT: Final = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 4096, "initializer_range": 0.3,
}  # fmt: skip
SIGLIP: Final = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": SIDE, "patch_size": 14, "vision_use_head": False,
}  # fmt: skip

CHATML: Final = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}{{ PICTURE }}"
    "{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN2_VL: Final = (
    "{% set image_count = namespace(value=0) %}{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n"
    "{% endif %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}"
    "{{ message['content'] }}"
    "<|im_end|>\n{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture "
    "{{ image_count.value }}: "
    "{% endif %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}"
    "{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN3_VL: Final = (
    "{%- if messages[0].role == 'system' %}{{- '<|im_start|>system\n' }}"
    "{%- if messages[0].content is string %}{{- messages[0].content }}{%- else %}"
    "{%- for content in messages[0].content %}{%- if 'text' in content %}{{- content.text }}"
    "{%- endif %}{%- endfor %}"
    "{%- endif %}{{- '<|im_end|>\n' }}{%- endif %}{%- for message in messages %}"
    "{%- if message.role == 'user' %}{{- '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string %}{{- message.content }}{%- else %}"
    "{%- for content in message.content %}{%- if content.type == 'image' or 'image' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>{%- elif 'text' in content %}{{- content.text }}{%- endif %}"
    "{%- endfor %}{%- endif %}{{- '<|im_end|>\n' }}"
    "{%- elif message.role == 'assistant' %}{{- '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string %}{{- message.content }}{%- else %}"
    "{%- for content_item in message.content %}{%- if 'text' in content_item %}{{- content_item.text }}"
    "{%- endif %}"
    "{%- endfor %}{%- endif %}{{- '<|im_end|>\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
SMOLVLM: Final = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% elif line['type'] == 'video' %}{{ '<video>' }}"
    "{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
ONEVISION: Final = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + ' '}}{# Render all images first #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}"
    "{% endfor %}"
    "{# Render all text next #}{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ '\n' + content['text'] }}"
    "{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ '\n' + content['text'] }}{% endgeneration %}{% endfor %}{% endif %}{{'<|im_end|>'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA3: Final = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- if messages[0]['content'] is string -%}"
    "{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}{%- else -%}"
    "{%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}{%- endif -%}"
    "{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set first_user_prefix = '' -%}"
    "{%- set loop_messages = messages -%}{%- endif -%}{%- for message in loop_messages -%}"
    "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{%- endif -%}"
    "{%- if (message['role'] == 'assistant') -%}{%- set role = 'model' -%}{%- else -%}"
    "{%- set role = message['role'] -%}{%- endif -%}"
    "{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}"
    "{%- if message['content'] is string -%}{{ message['content'] | trim }}{%- else -%}"
    "{%- for item in message['content'] -%}{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}"
    "{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}{%- endif -%}"
    "{{ '<end_of_turn>\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{'<start_of_turn>model\n'}}"
    "{%- endif -%}"
)
GEMMA4: Final = (
    "{{ bos_token }}{%- for message in messages -%}"
    "{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}"
    "{{ '<|turn>' + role + '\n' }}"
    "{%- if message['content'] is string -%}{{ message['content'] | trim }}{%- else -%}"
    "{%- for item in message['content'] -%}{%- if item['type'] == 'text' -%}{{ item['text'] | trim }}"
    "{%- elif item['type'] == 'image' -%}{{ '<|image|>' }}{%- endif -%}{%- endfor -%}{%- endif -%}"
    "{{ '<turn|>\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|turn>model\n' }}"
    "{%- if not enable_thinking | default(false) -%}{{ '<|channel>thought\n<channel|>' }}{%- endif -%}"
    "{%- endif -%}"
)


def tokenizer(
    kind: Any, folder: Path, special: str, named: dict[str, str] | None = None, **options: Any
) -> Any:
    """A tokenizer of a kind, learned from this project's words, with special tokens of its own."""
    words = [*WORDS.split(), *(label.value for label in Expression), *string.printable]
    learned = kind().train_new_from_iterator([f"{word} {word}\n: {word}." for word in words], 600)
    learned.add_tokens(
        [AddedToken(one, normalized=False, special=True) for one in special.split()], special_tokens=True
    )
    learned.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder, extra_special_tokens=named or {}, **options)


def ids(own: Any, **names: str) -> dict[str, int]:
    return {f"{name}_token_id": own.convert_tokens_to_ids(token) for name, token in names.items()}


def images(name: str, **settings: Any) -> Any:
    return getattr(transformers, f"{name}ImageProcessorPil")(**settings)


def text(own: Any, **more: Any) -> dict[str, Any]:
    ends = {
        "bos_token_id": own.bos_token_id,
        "eos_token_id": own.eos_token_id,
        "pad_token_id": own.pad_token_id,
    }
    return {**TEXT, **ends, "vocab_size": len(own), **more}


QWEN_TOKENS: Final = "<|im_start|> <|im_end|> <|vision_start|> <|vision_end|> <|image_pad|> <|video_pad|>"
_QWEN_OPTIONS: Final[dict[str, Any]] = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
_MROPE: Final = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6}


def _qwen_ids(own: Any) -> dict[str, int]:
    return ids(own, image="<|image_pad|>", video="<|video_pad|>", vision_start="<|vision_start|>",
               vision_end="<|vision_end|>")  # fmt: skip


def _images_of_28_pixels() -> Any:
    """Qwen2-VL's way: as many places as a picture's size asks for, each of 28 pixels by 28."""
    return images("Qwen2VL", min_pixels=56 * 56, max_pixels=28 * 28 * 1280)


def _images_of_32_pixels() -> Any:
    """Qwen3-VL's way: the same with 32."""
    return images(
        "Qwen2VL", size={"shortest_edge": 65536, "longest_edge": 16777216}, patch_size=16,
        image_mean=[0.5] * 3, image_std=[0.5] * 3,
    )  # fmt: skip


def qwen2_vl(folder: Path) -> tuple[Any, Any]:
    own = tokenizer(Qwen2Tokenizer, folder, QWEN_TOKENS, **_QWEN_OPTIONS)
    vision = {
        "depth": 2, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14,
    }  # fmt: skip
    config = transformers.Qwen2VLConfig(
        text_config=text(own, rope_parameters=_MROPE), vision_config=vision, **_qwen_ids(own)
    )
    return config, transformers.Qwen2VLProcessor(
        _images_of_28_pixels(), own, NoVideos(), chat_template=QWEN2_VL
    )


def qwen2_5_vl(folder: Path) -> tuple[Any, Any]:
    own = tokenizer(Qwen2Tokenizer, folder, QWEN_TOKENS, **_QWEN_OPTIONS)
    vision = {
        "depth": 2, "hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32, "num_heads": 2,
        "window_size": 56, "fullatt_block_indexes": [1],
    }  # fmt: skip
    config = transformers.Qwen2_5_VLConfig(
        text_config=text(own, rope_parameters=_MROPE), vision_config=vision, **_qwen_ids(own)
    )
    return config, transformers.Qwen2_5_VLProcessor(
        _images_of_28_pixels(), own, NoVideos(), chat_template=QWEN2_VL
    )


def qwen3_vl(folder: Path) -> tuple[Any, Any]:
    own = tokenizer(Qwen2Tokenizer, folder, QWEN_TOKENS, **_QWEN_OPTIONS)
    vision = {
        "depth": 2, "hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32, "num_heads": 2,
        "num_position_embeddings": 196, "deepstack_visual_indexes": [0],
    }  # fmt: skip
    config = transformers.Qwen3VLConfig(
        text_config=text(own, rope_parameters={**_MROPE, "mrope_interleaved": True}), vision_config=vision,
        **_qwen_ids(own),
    )  # fmt: skip
    return config, transformers.Qwen3VLProcessor(
        _images_of_32_pixels(), own, NoVideos(), chat_template=QWEN3_VL
    )


def qwen3_5(folder: Path) -> tuple[Any, Any]:
    own = tokenizer(Qwen2Tokenizer, folder, QWEN_TOKENS, **_QWEN_OPTIONS)
    vision = {
        "depth": 2, "hidden_size": 16, "out_hidden_size": 32, "intermediate_size": 32, "num_heads": 2,
        "num_position_embeddings": 196,
    }  # fmt: skip
    config = transformers.Qwen3_5Config(
        text_config=text(
            own, rope_parameters={**_MROPE, "mrope_interleaved": True, "partial_rotary_factor": 1.0},
            layer_types=["linear_attention", "full_attention"], linear_key_head_dim=8,
            linear_value_head_dim=8, linear_num_key_heads=2, linear_num_value_heads=2,
        ),
        vision_config=vision, **_qwen_ids(own),
    )  # fmt: skip
    return config, transformers.Qwen3VLProcessor(
        _images_of_32_pixels(), own, NoVideos(), chat_template=QWEN3_VL
    )


SMOL_TOKENS: Final = "<|im_start|> <end_of_utterance> <fake_token_around_image> <image> <global-img>"


def _idefics_vision() -> dict[str, Any]:
    return {**SIGLIP, "vision_use_head": None, "image_size": SIDE, "patch_size": 14}


def smolvlm(folder: Path) -> tuple[Any, Any]:
    named = {
        "image_token": "<image>", "fake_image_token": "<fake_token_around_image>",
        "global_image_token": "<global-img>", "end_of_utterance_token": "<end_of_utterance>",
    }  # fmt: skip
    own = tokenizer(
        GPT2Tokenizer, folder, SMOL_TOKENS, named, eos_token="<end_of_utterance>", pad_token="<|im_start|>"
    )
    config = transformers.SmolVLMConfig(
        text_config={"model_type": "llama", **text(own)}, vision_config=_idefics_vision(), scale_factor=2,
        image_token_id=own.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    made = images("SmolVLM", size={"longest_edge": 4 * SIDE}, max_image_size={"longest_edge": SIDE},
                  image_mean=[0.5] * 3, image_std=[0.5] * 3)  # fmt: skip
    return config, transformers.SmolVLMProcessor(
        made, own, NoVideos(), image_seq_len=4, chat_template=SMOLVLM
    )


def idefics3(folder: Path) -> tuple[Any, Any]:
    special = f"<|begin_of_text|> <|end_of_text|> {SMOL_TOKENS}"
    own = tokenizer(
        Qwen2Tokenizer, folder, special, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>",
        pad_token="<|end_of_text|>",
    )  # fmt: skip
    config = transformers.Idefics3Config(
        text_config={"model_type": "llama", **text(own)}, vision_config=_idefics_vision(), scale_factor=2,
        image_token_id=own.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    made = images("Idefics3", size={"longest_edge": 4 * SIDE}, max_image_size={"longest_edge": SIDE},
                  image_mean=[0.5] * 3, image_std=[0.5] * 3)  # fmt: skip
    template = SMOLVLM.replace("<|im_start|>", "<|begin_of_text|>", 1)
    return config, transformers.Idefics3Processor(made, own, image_seq_len=4, chat_template=template)


def internvl(folder: Path) -> tuple[Any, Any]:
    named = {
        "start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }  # fmt: skip
    own = tokenizer(
        Qwen2Tokenizer,
        folder,
        "<|im_start|> <|im_end|> <img> </img> <IMG_CONTEXT> <video>",
        named,
        **_QWEN_OPTIONS,
    )
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "image_size": [SIDE, SIDE], "patch_size": [14, 14],
    }  # fmt: skip
    config = transformers.InternVLConfig(
        text_config={"model_type": "qwen2", **text(own)}, vision_config=vision, image_seq_length=4,
        image_token_id=own.convert_tokens_to_ids("<IMG_CONTEXT>"), tie_word_embeddings=False,
    )  # fmt: skip
    made = images(
        "GotOcr2", size={"height": SIDE, "width": SIDE}, crop_to_patches=False, min_patches=1, max_patches=12,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    )  # fmt: skip
    template = CHATML.replace("PICTURE", "'<IMG_CONTEXT>\n'")
    return config, transformers.InternVLProcessor(
        made, own, NoVideos(), image_seq_length=4, chat_template=template
    )


def llava_onevision(folder: Path) -> tuple[Any, Any]:
    own = tokenizer(Qwen2Tokenizer, folder, "<|im_start|> <|im_end|> <image> <video>", **_QWEN_OPTIONS)
    points = [[SIDE * across, SIDE * down] for across in (1, 2, 3) for down in (1, 2, 3)]
    config = transformers.LlavaOnevisionConfig(
        text_config={"model_type": "qwen2", **text(own)},
        vision_config={"model_type": "siglip_vision_model", **SIGLIP}, image_grid_pinpoints=points,
        image_token_index=own.convert_tokens_to_ids("<image>"),
        video_token_index=own.convert_tokens_to_ids("<video>"),
    )  # fmt: skip
    made = images("LlavaOnevision", size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=points)
    processor = transformers.LlavaOnevisionProcessor(
        made,
        own,
        NoVideos(),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=ONEVISION,
    )
    return config, processor


def _gemma(folder: Path, special: str, named: dict[str, str]) -> Any:
    return tokenizer(GemmaTokenizer, folder, special, named)


def gemma3(folder: Path) -> tuple[Any, Any]:
    named = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    own = _gemma(folder, f"<start_of_turn> <end_of_turn> {' '.join(named.values())}", named)
    config = transformers.Gemma3Config(
        text_config=text(own, sliding_window=24, layer_types=["sliding_attention", "full_attention"]),
        vision_config={"model_type": "siglip_vision_model", **SIGLIP}, mm_tokens_per_image=4,
        boi_token_index=own.boi_token_id, eoi_token_index=own.eoi_token_id,
        image_token_index=own.image_token_id, tie_word_embeddings=False,  # else a random text repeats itself
    )  # fmt: skip
    made = images("Gemma3", size={"height": SIDE, "width": SIDE})
    return config, transformers.Gemma3Processor(made, own, image_seq_length=4, chat_template=GEMMA3)


def gemma4(folder: Path) -> tuple[Any, Any]:
    named = {
        "boi_token": "<|image>", "eoi_token": "<image|>", "image_token": "<|image|>",
        "audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>",
    }  # fmt: skip
    special = f"<|turn> <turn|> <|channel> <channel|> <|video|> {' '.join(named.values())}"
    own = _gemma(folder, special, named)
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "head_dim": 8, "patch_size": 4, "pooling_kernel_size": 3,
        "position_embedding_size": 64,
    }  # fmt: skip
    audio = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "output_proj_dims": 16,
        "subsampling_conv_channels": [4, 4],
    }  # fmt: skip
    config = transformers.Gemma4Config(
        text_config=text(
            own, num_hidden_layers=4, layer_types=["sliding_attention", "full_attention"] * 2,
            sliding_window=24, num_kv_shared_layers=2, hidden_size_per_layer_input=4,
            vocab_size_per_layer_input=len(own),
            final_logit_softcapping=30.0, use_bidirectional_attention="vision", global_head_dim=8,
        ),
        vision_config=vision, audio_config=audio, image_token_id=own.image_token_id,
        boi_token_id=own.boi_token_id, eoi_token_id=own.eoi_token_id, audio_token_id=own.audio_token_id,
        boa_token_id=own.boa_token_id,
        eoa_token_index=own.eoa_token_id, video_token_id=own.convert_tokens_to_ids("<|video|>"),
    )  # fmt: skip
    made = images("Gemma4", patch_size=4, max_soft_tokens=70)
    processor = transformers.Gemma4Processor(
        transformers.Gemma4AudioFeatureExtractor(),
        made,
        own,
        NoVideos(),
        chat_template=GEMMA4,
        image_seq_length=70,
    )
    return config, processor


def paligemma(folder: Path) -> tuple[Any, Any]:
    own = _gemma(folder, "<image>", {"image_token": "<image>"})
    made = images("Siglip", size={"height": SIDE, "width": SIDE})
    made.image_seq_length = 16
    processor = transformers.PaliGemmaProcessor(made, own)  # published without a chat template
    config = transformers.PaliGemmaConfig(
        text_config={
            "model_type": "gemma2", **text(own, vocab_size=len(own)), "sliding_window": 24,
            "query_pre_attn_scalar": 8, "final_logit_softcapping": 30.0,
        },
        vision_config={"model_type": "siglip_vision_model", **SIGLIP, "projection_dim": 32},
        projection_dim=32, hidden_size=32, image_token_index=own.image_token_id,
    )  # fmt: skip
    return config, processor


BASES: Final[dict[str, Callable[[Path], tuple[Any, Any]]]] = {
    make.__name__: make
    for make in (
        qwen3_5,
        qwen3_vl,
        qwen2_5_vl,
        qwen2_vl,
        smolvlm,
        idefics3,
        internvl,
        llava_onevision,
        gemma3,
        gemma4,
        paligemma,
    )
}


def make_base(name: str, folder: Path) -> Path:
    """The folder of a base with random weights, drawn so that greedy texts differ from picture to picture."""
    with without_videos():
        config, processor = BASES[name](folder)
    torch.manual_seed(0)
    model = transformers.AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.2 if "embed_tokens" in key or "lm_head" in key else 0.4)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
