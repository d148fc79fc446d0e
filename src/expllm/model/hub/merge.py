"""Merges the adapters of a model into a folder that plain `transformers` loads without ExpLLM.

Plain Llava takes a tower's last hidden state before the tower's final norm, and ours is the one after it. So
a DINOv2 is written as a ViT, whose hidden states end after the norm if its configuration says so
(`tie_last_hidden_states`). It is a ViT that scales the output of each half block (LayerScale): the scales go
into the layer before them. Its position embeddings are interpolated once, to our pictures' side.

No class of `transformers` computes what a `ConvTower` does, so the folder carries the modules that do.
`expllm.json` lies beside the weights: ExpLLM reads the folder, too, and asks the model as it was trained.
"""

import inspect
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration, LlavaProcessor, ViTConfig, ViTModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from expllm.core.errors import UsageError
from expllm.files.atomic_folders import whole_folder
from expllm.model import conv_llava, residual_network, vision
from expllm.model.bundle import Bundle
from expllm.model.checkpoint import load_model, package_versions, written_files
from expllm.model.conv_llava import ConvLlava, conv_llava_config
from expllm.model.hub.snapshots import fetch_snapshot
from expllm.model.manifest import LABEL_HEAD, check_new, is_model, read_manifest, write_manifest
from expllm.model.presets import Preset
from expllm.model.quiet import quiet_transformers
from expllm.model.tokenize import TEMPLATES, ChatTemplate
from expllm.model.vision import ConvTower
from expllm.model.vlm import PatchTower, llava_config

_RENAMED: Final = {
    "encoder.layer.": "layers.",
    ".norm1.": ".layernorm_before.",
    ".norm2.": ".layernorm_after.",
}
"""Names of DINOv2's parameters that a ViT has by other names."""
CARRIED_MODULES: Final = (residual_network, vision, conv_llava)
"""Modules that a folder with a `ConvTower` carries."""
AUTO_MAP: Final = {
    "AutoConfig": "conv_llava.ConvLlavaConfig",
    "AutoModel": "conv_llava.ConvLlavaModel",
    "AutoModelForImageTextToText": "conv_llava.ConvLlava",
}
"""Where `transformers` finds their classes, once it may run them."""
REMOTE_CODE: Final = "trust_remote_code=True"
"""What `transformers` wants to be given before it runs modules of a folder."""


def merge_model(folder: Path, output: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes a saved model as a plain one. Adapters are added in 32-bit floats, then rounded to `dtype`.

    Raises:
        UsageError: its base weights are quantized, or it is merged already.
        UsageError, MissingWeights, ModelError: as `checkpoint.load`.
        OutputError: the folder cannot be written, or something stands there.
    """
    check_new(output)
    manifest = read_manifest(folder)
    if manifest.merged:
        raise UsageError(f"{folder}: is merged already: copy it, or merge the folder with its adapters")
    _refuse_quantized(manifest.preset)
    bundle = load_model(folder, unpacked=True)
    if bundle.preset.hf is not None:
        model: Any = bundle.model.merge_and_unload()  # type: ignore[operator]
        processor: Any = bundle.processor
    else:
        model, processor = merged_llava(bundle), plain_processor(bundle)
    with whole_folder(output, is_model) as partial:
        with quiet_transformers():
            model.to(dtype).save_pretrained(partial)
            processor.save_pretrained(partial)
        if isinstance(model, ConvLlava):
            _carry_modules(partial)
        if LABEL_HEAD in manifest.files:  # plain `transformers` does not know it: its labels are the words'
            shutil.copyfile(folder / LABEL_HEAD, partial / LABEL_HEAD)
        plain = replace(
            manifest, preset=bundle.preset, trained=(), merged=True, files=written_files(partial),
            versions=package_versions(),
        )  # fmt: skip
        write_manifest(partial, plain)


def _refuse_quantized(preset: Preset) -> None:
    """Before anything is loaded: the sum of a 4-bit weight and its adapter has no 4-bit value.

    Raises:
        UsageError: the files of a base model are quantized. `nf4` alone, of whole weights, is undone.
        MissingWeights: as `fetch_snapshot`.
    """
    language = preset.language
    on_hub = language.source if language.weights == "hub" else None
    sources = (
        [(preset.hf, preset.revision)]
        if preset.hf is not None
        else [(preset.tower.source, preset.tower.revision), (on_hub, language.revision)]
    )
    for source, revision in sources:
        found = fetch_snapshot(source, revision).config().get("quantization_config") if source else None
        if found is not None:
            method = found.get("quant_method", "unknown method") if isinstance(found, dict) else found
            raise UsageError(
                f"{source}: the weights are quantized ({method}), and adapters cannot be added to them "
                "exactly: use the folder with its adapters, or train on the 16-bit weights"
            )


def carries_modules(folder: Path) -> bool:
    """Whether a merged folder holds modules of its own, without which it cannot be read."""
    return (folder / _file_name(conv_llava)).is_file()


def _file_name(module: ModuleType) -> str:
    return f"{module.__name__.rpartition('.')[2]}.py"


def _carry_modules(folder: Path) -> None:
    """Writes the tower's modules; there they import each other from beside themselves."""
    for module in CARRIED_MODULES:
        text = inspect.getsource(module).replace("from expllm.model.", "from .")
        (folder / _file_name(module)).write_text(text, encoding="utf-8")


def merged_llava(bundle: Bundle) -> LlavaForConditionalGeneration:
    """The model without adapters and, if its tower is a DINOv2, with a ViT for it. Uses the bundle's weights
    up: it is not to be used again.

    Raises:
        UsageError: its tower has layers that a ViT lacks.
    """
    llava: Any = bundle.model.merge_and_unload()  # type: ignore[operator]
    tower, text = llava.model.vision_tower, llava.config.text_config
    kind = ConvLlava if isinstance(tower, ConvTower) else LlavaForConditionalGeneration
    if kind is not ConvLlava:
        tower = as_vit(tower, bundle.preset.tower.image)
    config = llava_config(tower.config, text, llava.config.image_token_id, bundle.preset.tower.tokens)
    if kind is ConvLlava:
        config = conv_llava_config(config)
        config.auto_map = AUTO_MAP
    with torch.device("meta"):
        plain: Any = kind(config)
    plain.model.vision_tower = tower
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
        raise UsageError(
            "a vision encoder with SwiGLU layers cannot be converted to a ViT: keep the model with "
            "its adapters"
        )
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
    for before, after in _RENAMED.items():
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
