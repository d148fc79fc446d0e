"""Image-text-to-text models of `transformers` by family: what differs from one to the next, in one table.

A family is the package of `transformers` that a class comes from, such as `qwen3_vl`. Prompts, inputs and
parts need no entry: processors make the former, models name the latter (`vlm.module_names`). A family without
an entry has the defaults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from expllm.model.presets import HF_SIDE

_PREFIX_TEMPLATE: Final = (
    "{% for message in messages %}{% if not loop.first %}{{ '\n' }}{% endif %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
)
"""Question, line feed, answer, end: PaliGemma's prefix and suffix. Its processor writes the rest."""


@dataclass(frozen=True)
class Family:
    """Settings of a model family: one image for a face, adapters on the layers that the paper adapts.

    Attributes:
        side: Pixels to which a square crop is brought before the processor; "tile": the side of one tile, so
            that there is one; None: as it is, for the processor brings each picture to one size.
        seen: Side in pixels at which the vision encoder sees a face, where no configuration tells it.
        images: Settings of the image processor: a face is never split into tiles.
        adapters: Ends of the names of the layers that get adapters: queries and values of both towers.
        projector: Modules inside the vision encoder that make its output the language model's input.
        other: Modules that neither a picture nor a text reaches.
        template: Jinja text for bases that are published without a chat template.
        causal_type: The input that marks with 1 what is read in order, and with 0 what sees all of itself.
    """

    side: int | Literal["tile"] | None = HF_SIDE
    images: Mapping[str, Any] = field(default_factory=dict)
    adapters: tuple[str, ...] = ("q_proj", "v_proj")
    projector: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    template: str | None = None
    causal_type: str | None = None
    seen: int | None = None


_WHOLE: Final = MappingProxyType({"do_image_splitting": False})
_QWEN: Final = Family(adapters=("q_proj", "v_proj", "qkv"), projector=("merger",))
_QWEN3: Final = Family(
    adapters=("q_proj", "v_proj", "qkv"), projector=("merger", "deepstack_merger_list"), seen=256
)

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType({
    "qwen2_vl": _QWEN,
    "qwen2_5_vl": _QWEN,
    "qwen3_vl": _QWEN3,
    "qwen3_vl_moe": _QWEN3,
    "qwen3_5": _QWEN,
    "qwen3_5_moe": _QWEN,
    "smolvlm": Family(None, _WHOLE),
    "idefics3": Family(None, _WHOLE),
    "internvl": Family(None, MappingProxyType({"crop_to_patches": False, "max_patches": 1})),
    "llava": Family(None),
    "llava_next": Family("tile"),
    "llava_onevision": Family("tile"),
    "gemma3": Family(None, MappingProxyType({"do_pan_and_scan": False})),
    "gemma4": Family(None, adapters=("q_proj", "v_proj", "q_proj.linear", "v_proj.linear"),
                     other=("embed_audio",), seen=768),
    "paligemma": Family(None, template=_PREFIX_TEMPLATE, causal_type="token_type_ids"),
})  # fmt: skip


def family_of(thing: object) -> Family:
    """The family of a model, a configuration or a processor of `transformers`."""
    return FAMILIES.get(family_name(thing), Family())


def family_name(thing: object) -> str:
    """The package of `transformers` that a class comes from; "" for a class from elsewhere."""
    for kind in type(thing).__mro__:
        package = kind.__module__.split(".")
        if package[:2] == ["transformers", "models"] and len(package) > 3:
            return package[2]
    return ""


def one_picture(processor: Any, model: Any = None) -> Any:
    """The processor, set up so that a face crop is one picture; with a chat template if it has none.

    Args:
        model: Its model, where that counts the tiles of a picture too.
    """
    family = family_of(processor)
    for name, value in family.images.items():
        setattr(processor.image_processor, name, value)
    if family.side == "tile":
        side = crop_side(processor)
        for counting in (processor.image_processor, *([] if model is None else [model.config])):
            counting.image_grid_pinpoints = [[side, side]]
    if not (processor.chat_template or processor.tokenizer.chat_template):
        processor.chat_template = family.template
    return processor


def crop_side(processor: Any) -> int | None:
    """Side in pixels to which a square crop is brought before its processor sees it; None: as it is."""
    side = family_of(processor).side
    if side != "tile":
        return side
    size = processor.image_processor.size
    return int(size.get("height") or size["shortest_edge"])
