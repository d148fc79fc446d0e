"""Keys of recipes under earlier names: accepted for one release, with a warning."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

RENAMED_KEYS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({
    "model": {"begin": "init_from"},
    "data": {
        "longest": "max_words",
        "without": "exclude_phrases",
        "hint": "au_hint",
        "unhinted": "au_hint_dropout",
    },
    "train": {
        "reads": "task",
        "warmup_share": "warmup_ratio",
        "clip": "max_grad_norm",
        "mixed": "mixed_batches",
        "checkpointing": "gradient_checkpointing",
        "keep": "save_total_limit",
        "workers": "dataloader_num_workers",
    },
})  # fmt: skip
"""Earlier name to today's, by section; stages have the keys of `train`."""


def current_key(path: str) -> str:
    """Today's name of a dotted key such as `train.clip` or `stages.align.reads`."""
    section, _, key = path.rpartition(".")
    names = RENAMED_KEYS.get("train" if section.startswith("stages.") else section, {})
    return f"{section}.{names[key]}" if key in names else path


def current_value(path: str, value: Any) -> Any:
    """Today's spelling of the value under a dotted key, by its earlier or its present name."""
    task = path.rpartition(".")[2] in ("reads", "task")
    return "instruct" if task and value == "talks" else value


def current_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted key, such as those of a run folder, under today's names."""
    return {current_key(path): current_value(path, value) for path, value in settings.items()}


def current_keys(
    values: Mapping[str, Any], section: str, notice: Callable[[str, str], None] = lambda _, __: None
) -> dict[str, Any]:
    """A section of a recipe under today's names.

    Args:
        section: Path of the section: `model`, `data`, `train`, or `stages.NAME`.
        notice: Called with the earlier and the present path of each renamed key.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{section}.{key}"
        now = current_key(path)
        if now != path:
            notice(path, now)
        found[key if now == path else now.rpartition(".")[2]] = current_value(path, value)
    return found
