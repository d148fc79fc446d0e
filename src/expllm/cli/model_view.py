"""What `expllm model show` prints."""

from collections.abc import Iterator
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from expllm.cli.cot_view import Foreign, Narrow
from expllm.model.costs import MemoryEstimate
from expllm.model.summary import EXPLANATION, TRAINING_TEXT, Summary

_PART_NAMES: Final = {
    "projector": "projector, whole",
    "tower_lora": "adapters in the tower",
    "language_lora": "adapters in the language model",
}


SIZES: Final = ("layers", "hidden", "intermediate")


def summary_view(summary: Summary) -> RenderableType:
    """Modules, what learns, and costs; sizes are read by people, so they are rounded."""
    return Narrow(tuple(_parts(summary)))


def _parts(summary: Summary) -> Iterator[RenderableType]:
    yield Foreign(
        f"{summary.preset.name}: {summary.parameters:,} parameters, {summary.visual_tokens} visual tokens",
        "bold",
    )
    yield _modules(summary)
    yield from _sources(summary)
    yield _trainable(summary)
    if summary.note:
        yield Foreign(summary.note, "dim")
    words = TRAINING_TEXT.asked + TRAINING_TEXT.answered
    yield Foreign("", "")
    yield Foreign(
        f"Memory of one device, for a training step of {summary.batch} samples with {summary.visual_tokens} "
        f"+ {words} tokens each, and for one answer of {EXPLANATION.answered} tokens:",
        "",
    )
    yield _memory(summary)
    yield Foreign(
        "Estimates; what the allocator and the driver take is not in them. Activations are in bfloat16.",
        "dim",
    )
    yield _operations(summary)


def _table(*columns: tuple[str, bool]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, number in columns:
        table.add_column(name, justify="right" if number else "left")
    return table


def _modules(summary: Summary) -> Table:
    table = _table(("part", False), ("class", False), ("layers", True), ("width", True), ("MLP", True),
                   ("parameters", True))  # fmt: skip
    for module in summary.modules:
        sizes = (f"{module.sizes[name]:,}" if name in module.sizes else "-" for name in SIZES)
        table.add_row(module.part, Foreign(module.kind, ""), *sizes, f"{module.parameters:,}")
    return table


def _sources(summary: Summary) -> Iterator[RenderableType]:
    for module in summary.modules:
        licence = f" ({module.licence})" if module.licence else ""
        yield Foreign(f"weights of the {module.part}: {module.source}{licence}", "")


def _trainable(summary: Summary) -> Table:
    table = _table(("what learns in stage 2", False), ("parameters", True))
    for part, count in summary.trainable.items():
        table.add_row(_PART_NAMES[part], f"{count:,}")
    table.add_row("together", f"{sum(summary.trainable.values()):,}", style="bold")
    return table


def _memory(summary: Summary) -> Table:
    table = _table(("GiB", False), ("weights", True), ("what learns", True), ("kept", True), ("logits", True),
                   ("together", True))  # fmt: skip
    rows = {
        "training": summary.training["plain"],
        "with checkpointing": summary.training["checkpointing"],
        "answer": summary.answer_memory,
    }
    for name, memory in rows.items():
        table.add_row(name, *_gib(memory))
    return table


def _gib(memory: MemoryEstimate) -> Iterator[str]:
    for count in (memory.weights, memory.learned, memory.kept, memory.logits, memory.total):
        yield f"{count / 2**30:,.2f}" if count else "-"


def _operations(summary: Summary) -> Table:
    table = _table(("operations", False), ("", True))
    rows = {
        "training, one sample": summary.training_flops["plain"],
        "with checkpointing": summary.training_flops["checkpointing"],
        "a label": summary.answer_flops["label"],
        f"an explanation, {EXPLANATION.answered} tokens": summary.answer_flops["explanation"],
    }
    for name, count in rows.items():
        table.add_row(name, f"{count / 1e12:,.3f} TFLOP")
    return table
