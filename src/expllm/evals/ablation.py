"""The paper's ablations (Tables IV and V): the rows of `assets/ablations.yaml` applied to a recipe."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from expllm.core.errors import UsageError
from expllm.train.recipe import Recipe, StageConfig

TableName = Literal["IV", "V"]
ABLATED_PARTS: Final = {
    "tower_lora": "the adapters of the vision encoder",
    "tower": "the vision encoder, which it trains whole",
    "language_lora": "the adapters of the language model",
    "language": "the language model, which it trains whole",
}


@dataclass(frozen=True)
class AblationRow:
    """One row of a table, as a change to any recipe; `assets/ablations.yaml` explains the keys."""

    table: TableName
    name: str
    row: str
    set: dict[str, float] = field(default_factory=dict)
    drop: str | None = None
    freeze: tuple[str, ...] = ()
    note: str = ""
    note_with_texts: str = ""


@dataclass(frozen=True)
class Variant:
    """One row of a table.

    Attributes:
        name: For `--only` and for folders.
        row: As the paper's table has it.
        override: What differs from the recipe, as `expllm train` takes it if it can; empty: nothing.
        recipe: What is trained; None where the recipe has nothing that could be left out.
        note: What a reader must know.
        home: Name of the first variant that trains the same, whose runs serve this one too.
    """

    table: TableName
    name: str
    row: str
    override: str
    recipe: Recipe | None
    note: str = ""
    home: str = ""

    @property
    def paper(self) -> float | None:
        """The paper's accuracy on RAF-DB, in percent."""
        figures = {row[0]: row[1] for row in _published()[self.table]["rows"]}
        found: float | None = figures[self.row]
        return found


@cache
def _published() -> dict[str, Any]:
    text = files("expllm").joinpath("assets/paper_tables.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def table_rows() -> tuple[AblationRow, ...]:
    """All ten rows of both tables."""
    import yaml
    from pydantic import TypeAdapter

    text = files("expllm").joinpath("assets/ablations.yaml").read_text(encoding="utf-8")
    return TypeAdapter(tuple[AblationRow, ...]).validate_python(yaml.safe_load(text))


def variants(recipe: Recipe) -> tuple[Variant, ...]:
    """The recipe under each row; rows that train the same share a `home`."""
    homes: dict[str, str] = {}
    return tuple(
        replace(one, home=homes.setdefault(_trained(one), one.name))
        for one in (_variant(recipe, row) for row in table_rows())
    )


def chosen(all_: Sequence[Variant], only: str | None) -> tuple[Variant, ...]:
    """Those whose names, or tables, are in a list with commas; all without one.

    Raises:
        UsageError: there is no such name.
    """
    if only is None:
        return tuple(all_)
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = {one.name for one in all_} | {one.table for one in all_}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(
            f"no variant {(unknown or [only])[0]!r}: choose of {', '.join(one.name for one in all_)}, IV, V"
        )
    return tuple(one for one in all_ if one.name in names or one.table in names)


def _variant(recipe: Recipe, row: AblationRow) -> Variant:
    override, note = "", row.note
    made: Recipe | None = recipe
    if row.set:
        override = " ".join(f"train.{key}={value:g}" for key, value in row.set.items())
        made = _with_values(recipe, row.set)
    elif row.drop:
        override, made, note = _without_task(recipe, row.drop)
    elif row.freeze:
        override, made, note = _frozen(recipe, row.freeze)
    if recipe.data.captions == "texts" and any(one.task == "captions" for one in recipe.stages):
        note = note or row.note_with_texts
    return Variant(row.table, row.name, row.row, override, made, note)


def with_seed(recipe: Recipe, number: int) -> Recipe:
    """The same with other draws: order, tasks, augmentation, dropout, projector and adapters."""
    if not number:
        return recipe
    return replace(
        recipe,
        model=replace(recipe.model, seed=recipe.model.seed + number),
        train=replace(recipe.train, seed=recipe.train.seed + number),
        stages=tuple(replace(stage, seed=stage.seed + number) for stage in recipe.stages),
    )


def _trained(variant: Variant) -> str:
    """The same where the same is trained."""
    if variant.recipe is None:
        return variant.name
    return json.dumps({**asdict(variant.recipe), "train": None}, sort_keys=True)


def _with_values(recipe: Recipe, values: dict[str, float]) -> Recipe:
    return replace(
        recipe,
        stages=tuple(
            replace(stage, **values) if stage.task == "instruct" else stage  # type: ignore[arg-type]
            for stage in recipe.stages
        ),
    )


Changed = tuple[str, Recipe | None, str]
"""The override, the recipe (None where it has nothing to change), and a note."""


def _without_task(recipe: Recipe, task: str) -> Changed:
    """Without stage 1: the projector starts from its initialisation."""
    note = "the projector starts from random weights"
    first = [stage.name for stage in recipe.stages if stage.task == task]
    later = tuple(stage for stage in recipe.stages if stage.task != task)
    if first and later:
        return f"without the stage {', '.join(first)}", replace(recipe, stages=later), note
    if recipe.model.init_from and later:
        begun = replace(recipe, model=replace(recipe.model, init_from=None))
        return "model.init_from=null", begun, note
    return "", None, "the recipe has no stage 1"


def _frozen(recipe: Recipe, parts: Sequence[str]) -> Changed:
    """Stages on faces train everything but `parts`."""
    stages: list[StageConfig] = []
    overrides: list[str] = []
    missed: list[str] = []
    for stage in recipe.stages:
        kept = tuple(part for part in stage.trains if part not in parts)
        if stage.task == "instruct" and kept != stage.trains:
            if not kept:
                return "", None, f"the stage {stage.name} would learn nothing"
            missed += [part for part in stage.trains if part in parts and part not in missed]
            where = "train" if recipe.stages == (recipe.train,) else f"stages.{stage.name}"
            overrides.append(f"{where}.trains={','.join(kept)}")
            stages.append(replace(stage, trains=kept))
        else:
            stages.append(stage)
    if not missed:
        which = "vision encoder" if "tower" in parts else "language model"
        return "", None, f"the recipe trains nothing in the {which}"
    note = f"left out: {', '.join(ABLATED_PARTS[part] for part in missed)}"
    if "tower" in missed and recipe.model.init_from is None and recipe.model.tower is None:
        note += "; it stays as the preset has it"
    return " ".join(overrides), replace(recipe, stages=tuple(stages)), note
