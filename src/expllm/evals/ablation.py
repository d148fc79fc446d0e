"""The paper's ablations (section IV-E, Tables IV and V) as variants of a recipe: each changes one thing."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from expllm.core.errors import UsageError
from expllm.train.recipe import Recipe, StageConfig

TableName = Literal["IV", "V"]
RATIOS: Final = ((1.0, 0.0), (0.8, 0.2), (0.75, 0.25), (0.67, 0.33), (0.0, 1.0))
"""Labels to explanations, as in Table IV."""
TOWER: Final = ("tower_lora", "tower")
LANGUAGE: Final = ("language_lora", "language")
SAID: Final = {
    "tower_lora": "the adapters of the vision tower",
    "tower": "the vision tower, which it trains whole",
    "language_lora": "the adapters of the language model",
    "language": "the language model, which it trains whole",
}


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


def variants(recipe: Recipe) -> tuple[Variant, ...]:
    """All ten rows of both tables."""
    homes: dict[str, str] = {}
    return tuple(
        replace(one, home=homes.setdefault(_trained(one), one.name))
        for one in (*ratios(recipe), *parts(recipe))
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


def ratios(recipe: Recipe) -> Iterator[Variant]:
    """Table IV: how often labels are trained, how often explanations."""
    for label, explanation in RATIOS:
        row = f"{label:g}:{explanation:g}"
        override = f"train.label={label:g} train.explanation={explanation:g}"
        note = "" if label else "it is asked for the label alone; the paper took the conclusion's"
        yield Variant("IV", f"ratio-{label:g}-{explanation:g}", row, override, _mixed(recipe, label), note)


def parts(recipe: Recipe) -> Iterator[Variant]:
    """Table V: what is gained by each part."""
    yield _without_stage_1(recipe)
    yield _without_part(recipe, TOWER, "without-vision", "without LoRA in the vision tower")
    yield _without_part(recipe, LANGUAGE, "without-language", "without LoRA in the language model")
    reads_texts = recipe.data.captions == "texts" and any(one.task == "captions" for one in recipe.stages)
    note = "stage 1 still reads the texts, as captions" if reads_texts else ""
    yield Variant(
        "V", "without-explanations", "without explanations", "train.label=1 train.explanation=0",
        _mixed(recipe, 1.0), note,
    )  # fmt: skip
    yield Variant("V", "all", "all", "", recipe)


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


def _mixed(recipe: Recipe, label: float) -> Recipe:
    shares = dict(RATIOS)

    def mixed(stage: StageConfig) -> StageConfig:
        if stage.task != "instruct":
            return stage
        return replace(stage, label=label, explanation=shares[label])

    return replace(recipe, stages=tuple(map(mixed, recipe.stages)))


def _without_stage_1(recipe: Recipe) -> Variant:
    name, row = "without-stage-1", "without stage 1"
    first = [stage.name for stage in recipe.stages if stage.task == "captions"]
    later = tuple(stage for stage in recipe.stages if stage.task != "captions")
    if first and later:
        return Variant(
            "V", name, row, f"without the stage {', '.join(first)}", replace(recipe, stages=later),
            "the projector begins as it was drawn",
        )  # fmt: skip
    if recipe.model.init_from and later:
        begun = replace(recipe, model=replace(recipe.model, init_from=None))
        return Variant("V", name, row, "model.init_from=null", begun, "the projector begins as it was drawn")
    return Variant("V", name, row, "", None, "the recipe has no stage 1")


def _without_part(recipe: Recipe, left_out: Sequence[str], name: str, row: str) -> Variant:
    """Stages on faces learn all that they learn but one tower."""
    stages: list[StageConfig] = []
    overrides: list[str] = []
    missed: list[str] = []
    for stage in recipe.stages:
        kept = tuple(part for part in stage.trains if part not in left_out)
        if stage.task == "instruct" and kept != stage.trains:
            if not kept:
                return Variant("V", name, row, "", None, f"the stage {stage.name} would learn nothing")
            missed += [part for part in stage.trains if part in left_out and part not in missed]
            where = "train" if recipe.stages == (recipe.train,) else f"stages.{stage.name}"
            overrides.append(f"{where}.trains={','.join(kept)}")
            stages.append(replace(stage, trains=kept))
        else:
            stages.append(stage)
    if not missed:
        which = "vision tower" if left_out is TOWER else "language model"
        return Variant("V", name, row, "", None, f"the recipe trains nothing in the {which}")
    note = f"left out: {', '.join(SAID[part] for part in missed)}"
    if "tower" in missed and recipe.model.init_from is None and recipe.model.tower is None:
        note += "; it stays as the preset has it"
    return Variant("V", name, row, " ".join(overrides), replace(recipe, stages=tuple(stages)), note)
