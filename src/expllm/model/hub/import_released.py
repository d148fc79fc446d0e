"""Reads a checkpoint of the authors' released code (github starhiking/ExpLLM-TMM) into a model's folder.

Their model is one state: a causal Llama, and beside it a DINOv2 by Meta's own names, with queries, keys and
values in one layer (`qkv`) and the adapters inside the attention (`lora_A_q`). A checkpoint holds the frozen
weights too, and all of them are taken from it: nothing else is needed but the tokenizer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from expllm.core.vocabulary import Expression
from expllm.model.build import load_tokenizer
from expllm.model.bundle import Bundle
from expllm.model.checkpoint import save
from expllm.model.hub.released_keys import keys_of, sized
from expllm.model.hub.snapshots import recorded_source
from expllm.model.manifest import check_new
from expllm.model.presets import Preset
from expllm.model.vlm import empty_model, inner, with_lora
from expllm.model.weight_files import read_checkpoint
from expllm.model.weight_keys import OPTIONAL, UNUSED, Differences, check_keys, not_finite, reason

CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)
"""The released code normalises by CLIP's figures, though its tower is a DINOv2."""
PROMPT_WARNING: Final = (
    "the released code asks in a format of its own (TASK, USER, ASSISTANT), and this folder asks in this "
    "project's: expect less than the published accuracy until the model is trained on"
)


@dataclass(frozen=True)
class ImportReport:
    """How each key of a checkpoint was mapped.

    Attributes:
        mapped: Key, and the weights that it became.
        ignored: Key, and why it is not needed.
        differences: Keys that are missing, left over, and so on, by the checkpoint's names.
    """

    mapped: tuple[tuple[str, str], ...]
    ignored: tuple[tuple[str, str], ...]
    differences: Differences

    @property
    def whole(self) -> bool:
        """Whether every weight of the model was found, fits, and is a number, and no tensor is left over."""
        return self.differences == Differences()

    def check(self, path: Path) -> None:
        """Refuses a checkpoint that is not whole.

        Raises:
            ModelError: it names the keys.
        """
        check_keys(path, self.differences, "nothing was written")

    def lines(self, *, everything: bool = False) -> Iterator[str]:
        """For people: what went wrong first; the keys that went well only if asked for."""
        wrong = self.differences
        for key, found, own in wrong.mismatched:
            yield f"shape differs: {key}: {[*found]}, not {[*own]}"
        yield from (f"missing: {key}" for key in wrong.missing)
        yield from (f"unexpected: {key}" for key in wrong.unexpected)
        yield from (f"NaN or infinity: {key}" for key in wrong.not_finite)
        yield from (f"ignored: {key}: {why}" for key, why in self.ignored)
        if everything:
            yield from (f"mapped: {key} -> {name}" for key, name in self.mapped)
        kinds = (self.mapped, self.ignored, wrong.missing, wrong.unexpected, wrong.mismatched)
        text = "{} keys mapped, {} ignored, {} missing, {} unexpected, {} of another shape"
        yield text.format(*map(len, kinds))


def import_released(path: Path, output: Path, preset: Preset, labels: Sequence[Expression]) -> ImportReport:
    """Writes a model's folder if the checkpoint has every weight, and nothing else; else only reports.

    Args:
        path: A file, or the folder with its pieces; a `config.json` beside them tells the sizes.
        preset: What the checkpoint does not tell; where the weights come from does not matter.

    Raises:
        MissingWeights: there is no checkpoint, it is damaged, or the tokenizer cannot be had.
        ModelError: the file is none, or may run code.
        OutputError: the folder cannot be written.
    """
    check_new(output)
    state = read_checkpoint(path)
    own = sized(as_released(preset), state, path if path.is_dir() else path.parent)
    model = with_lora(empty_model(own), own.lora)
    names = {_plain(name): name for name, _ in inner(model).named_parameters()}
    shapes = {_plain(name): tuple(one.shape) for name, one in inner(model).named_parameters()}
    found, report = placed(state, shapes, own)
    if report.whole:
        filled = {name: found.get(name, torch.zeros(shape)) for name, shape in shapes.items()}
        weights = {names[name]: _precise(name, tensor) for name, tensor in filled.items()}
        # What is tied or serves the pretraining alone is in no file.
        inner(model).load_state_dict(weights, strict=False, assign=True)
        inner(model).tie_weights()
        tokenizer = load_tokenizer(replace(preset.language, vocabulary=own.language.vocabulary))
        card = {
            "imported from": recorded_source(path),
            "towers": [preset.tower.source, preset.language.source],
        }
        save(output, Bundle(model, tokenizer, own, tuple(labels)), card)
    return report


def as_released(preset: Preset) -> Preset:
    """The preset with all weights in its folder, places for one size, and CLIP's normalisation."""
    tower = replace(preset.tower, source=None, native_image=preset.tower.image, mean=CLIP_MEAN, std=CLIP_STD)
    language = replace(preset.language, source=None, weights="random", gguf=None)
    return replace(preset, tower=tower, language=language, quantization="none")


def placed(
    state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], preset: Preset
) -> tuple[dict[str, Tensor], ImportReport]:
    """The checkpoint's tensors by our names, and what became of each key.

    Args:
        shapes: Of our weights, by name.
    """
    known = keys_of(preset)
    ignored = {key: why for key in state if key not in known and (why := reason(key, UNUSED))}
    found: dict[str, Tensor] = {}
    mapped, misfits = [], []
    for key in known.keys() & state.keys():
        own, tensor = known[key], state[key]
        if own.places:
            tensor = interpolated(tensor, preset.tower.image // preset.tower.patch)
        expected = own.shape(shapes)
        if tuple(tensor.shape) != expected:
            misfits.append((key, tuple(tensor.shape), expected))
            continue
        found |= own.split(tensor)
        mapped.append((key, ", ".join(own.names)))
    missing = sorted(
        key
        for key in known.keys() - state.keys()
        if any(reason(name, OPTIONAL) is None for name in known[key].names)
    )
    unexpected = sorted(state.keys() - known.keys() - ignored.keys())
    differences = Differences(tuple(missing), tuple(unexpected), tuple(sorted(misfits)), not_finite(state))
    return found, ImportReport(tuple(sorted(mapped)), tuple(sorted(ignored.items())), differences)


def interpolated(places: Tensor, side: int) -> Tensor:
    """Position embeddings for `side` x `side` patches, as the released code makes them at every step.

    It scales by (side + 0.1) over the old side, so that rounding cannot lose a row; `transformers` scales to
    the size itself, which gives slightly other embeddings. They are therefore made here, once.

    Args:
        places: [1, 1 + patches, hidden], class token first.
    """
    old = round((places.shape[1] - 1) ** 0.5)
    if old == side or old * old != places.shape[1] - 1:
        return places
    square = places[:, 1:].float().reshape(1, old, old, -1).permute(0, 3, 1, 2)
    factor = (side + 0.1) / old
    new = nn.functional.interpolate(square, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([places[:, :1].float(), new.flatten(2).transpose(1, 2)], dim=1)


def _plain(name: str) -> str:
    return name.replace(".base_layer.", ".").replace(".default.", ".")


def _precise(name: str, tensor: Tensor) -> Tensor:
    """Projector and adapters are held in 32 bits."""
    return tensor.float() if ".lora_" in name or "projector" in name else tensor
