"""A model without adapters, as a folder that plain `transformers` reads: nothing of ExpLLM is needed there.

Plain Llava takes a tower's last hidden state before the tower's final norm, and ours is the one after it. So
the tower is written as a ViT, whose hidden states end after the norm if its configuration says so
(`tie_last_hidden_states`). A DINOv2 is a ViT that scales the output of each half block (LayerScale): the
scales go into the layer before them. Its position embeddings are interpolated once, to our pictures' side.
"""

import json
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration, LlavaProcessor, ViTConfig, ViTModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from expllm.data.encode import TEMPLATES, ChatTemplate
from expllm.errors import UsageError
from expllm.model.bundle import Bundle
from expllm.model.expllm import PatchTower, llava_config
from expllm.model.layout import check_new, is_model
from expllm.model.presets import Preset
from expllm.model.quiet import quiet_transformers
from expllm.model.store import load
from expllm.outfolders import whole_folder

RENAMED: Final = {
    "encoder.layer.": "layers.",
    ".norm1.": ".layernorm_before.",
    ".norm2.": ".layernorm_after.",
}
"""Names of DINOv2's parameters that a ViT has by other names."""


def merge(folder: Path, output: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes a saved model as a plain one. Adapters are added in 32-bit floats, then rounded to `dtype`.

    Raises:
        UsageError, MissingWeights, ModelError: as `store.load`.
        OutputError: the folder cannot be written, or something stands there.
    """
    check_new(output)
    bundle = load(folder, unpacked=True)
    if bundle.preset.hf is not None:
        model: Any = bundle.model.merge_and_unload()  # type: ignore[operator]
        processor: Any = bundle.processor
    else:
        model, processor = merged(bundle), plain_processor(bundle)
    with whole_folder(output, is_model) as partial, quiet_transformers():
        model.to(dtype).save_pretrained(partial)
        processor.save_pretrained(partial)


def merged(bundle: Bundle) -> LlavaForConditionalGeneration:
    """The model without adapters and with a ViT for its tower. Uses the bundle's weights up: it is not to be
    used again.

    Raises:
        UsageError: its tower has layers that a ViT lacks.
    """
    llava: Any = bundle.model.merge_and_unload()  # type: ignore[operator]
    vit = as_vit(llava.model.vision_tower, bundle.preset.tower.image)
    config = llava_config(
        vit.config, llava.config.text_config, llava.config.image_token_id, bundle.preset.tower.tokens
    )
    with torch.device("meta"):
        plain = LlavaForConditionalGeneration(config)
    plain.model.vision_tower = vit
    plain.model.multi_modal_projector = llava.model.multi_modal_projector
    plain.model.language_model = llava.model.language_model
    plain.lm_head = llava.lm_head
    plain.generation_config = llava.generation_config
    return plain.eval()


def as_vit(tower: PatchTower, side: int) -> ViTModel:
    """A ViT whose last hidden state is the tower's, for square pictures of `side` pixels.

    Raises:
        UsageError: the tower has SwiGLU layers (DINOv2 giant), which a ViT lacks.
    """
    config: Any = tower.config
    if config.use_swiglu_ffn:
        raise UsageError("a tower with SwiGLU layers has no plain form: keep the model with its adapters")
    with torch.device("meta"):
        vit = ViTModel(
            ViTConfig(
                hidden_size=config.hidden_size, num_hidden_layers=config.num_hidden_layers,
                num_attention_heads=config.num_attention_heads, hidden_act=config.hidden_act,
                intermediate_size=int(config.hidden_size * config.mlp_ratio), image_size=side,
                layer_norm_eps=config.layer_norm_eps, patch_size=config.patch_size, qkv_bias=config.qkv_bias,
                tie_last_hidden_states=True,
            )
        )  # fmt: skip
    state = _vit_state(tower, side)
    for name, parameter in vit.pooler.named_parameters():  # not used: Llava asks for hidden states
        state[f"pooler.{name}"] = torch.zeros(parameter.shape)
    vit.load_state_dict(state, assign=True)
    return vit.eval()


@torch.no_grad()
def _vit_state(tower: PatchTower, side: int) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, tensor in tower.state_dict().items():
        if "layer_scale" in name or name.endswith("mask_token"):
            continue
        state[_vit_name(name)] = tensor.float()
    for number, layer in enumerate(tower.encoder.layer):
        for end, scale in (("attention.o_proj", layer.layer_scale1), ("mlp.fc2", layer.layer_scale2)):
            factor = scale.lambda1.float()
            name = f"layers.{number}.{end}"
            state[f"{name}.weight"] = state[f"{name}.weight"] * factor[:, None]  # [out, in]
            state[f"{name}.bias"] = state[f"{name}.bias"] * factor
    patches = (side // int(tower.config.patch_size)) ** 2
    shape = torch.empty(1, 1 + patches, int(tower.config.hidden_size))
    places = tower.embeddings.interpolate_pos_encoding(shape, side, side)
    state["embeddings.position_embeddings"] = places.float().clone()
    return state


def _vit_name(name: str) -> str:
    for before, after in RENAMED.items():
        name = name.replace(before, after)
    return name


def plain_processor(bundle: Bundle) -> LlavaProcessor:
    """From picture and messages to tensors, as the model was trained: transform, template, places."""
    preset = bundle.preset
    pictures = CLIPImageProcessorPil(
        size={"height": preset.tower.image, "width": preset.tower.image}, do_center_crop=False, resample=3,
        image_mean=list(preset.tower.mean), image_std=list(preset.tower.std),
    )  # fmt: skip
    return LlavaProcessor(
        pictures, bundle.tokenizer, patch_size=preset.tower.patch, num_additional_image_tokens=1,
        vision_feature_select_strategy="default", image_token=preset.language.image_token,
        chat_template=jinja_template(preset, bundle.tokenizer.eos_token or ""),
    )  # fmt: skip


def jinja_template(preset: Preset, end_token: str) -> str:
    """The preset's chat template in Jinja: messages with `content` as text, or as parts with a picture."""
    template: ChatTemplate = TEMPLATES[preset.language.template]
    texts = {
        "SYSTEM_BEFORE": template.system_before, "SYSTEM_AFTER": template.system_after,
        "SYSTEM": template.system, "USER_BEFORE": template.user_before, "SPACE": template.space,
        "ANSWER_BEFORE": template.answer_before,
        "PICTURE": preset.language.image_token + template.picture_after,
        "END": (template.end or end_token) + template.end_after,
    }  # fmt: skip
    names = "".join(f"{{%- set {name} = {json.dumps(text)} -%}}" for name, text in texts.items())
    return names + _JINJA.replace("\n", "")


_JINJA: Final = """
{%- macro words(message) -%}
{%- if message['content'] is string -%}{{ message['content'] }}
{%- else -%}{%- for part in message['content'] if part['type'] == 'text' -%}{{ part['text'] }}{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- set turns = messages -%}{%- set system = SYSTEM -%}
{%- if messages[0]['role'] == 'system' -%}
{%- set system = words(messages[0]) -%}{%- set turns = messages[1:] -%}
{%- endif -%}
{%- if system -%}{{ SYSTEM_BEFORE + system + SYSTEM_AFTER }}{%- endif -%}
{%- for message in turns -%}
{%- if message['role'] == 'user' -%}{{ USER_BEFORE + SPACE }}
{%- if message['content'] is not string -%}
{%- for part in message['content'] if part['type'] == 'image' -%}{{ PICTURE }}{%- endfor -%}
{%- endif -%}
{{ words(message) + ANSWER_BEFORE }}
{%- else -%}{{ SPACE + words(message) + END }}
{%- endif -%}
{%- endfor -%}
"""
