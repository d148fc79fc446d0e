"""`expllm eval ablate`: the paper's Tables IV and V, from a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from expllm.cli.ending import leave, of_trainings
from expllm.cli.figures import JsonOption, print_json
from expllm.cli.options import BatchSizeOption, LimitOption, QuietOption
from expllm.core.errors import UsageError
from expllm.core.packages import TRAINING_PACKAGES, require

if TYPE_CHECKING:
    from expllm.evals.ablation_run import Ablation
    from expllm.train.recipe import Recipe


RecipeArgument = Annotated[Path, typer.Argument(help="A recipe, such as recipes/compact.yaml.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE ...]", help="Overrides for all variants, as for 'expllm train'."),
]
_Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="Folder of all runs. [default: runs/NAME-ablation]")
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="DATASET", help="Data set to evaluate on. [default: data.valid of the recipe]"
    ),
]
Only = Annotated[
    str | None, typer.Option("--only", metavar="NAMES", help="Variants, separated by commas; or IV, or V.")
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", min=1, help="Trainings per variant.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the variants without training.")]


def ablate(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    output: _Output = None,
    data: Data = None,
    only: Only = None,
    seeds: Seeds = 1,
    limit: LimitOption = None,
    batch_size: BatchSizeOption = 16,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a recipe ten times, each time with one setting changed, and evaluate each model.

    Table IV of the paper varies the mix of labels and explanations, Table V removes parts. Run the same
    command again to resume. Variants and seeds of earlier commands with the same recipe and data stay in
    the tables. Exit code 3: some variants failed; the table gives the reasons.
    """
    require(*TRAINING_PACKAGES)
    from expllm.evals.ablation import chosen, variants
    from expllm.evals.ablation_run import Ablation, run_ablation, write_ablation
    from expllm.train.recipe import load_recipe

    plan = load_recipe(recipe, overrides or ())
    every = variants(plan)
    folder = output or Path("runs") / f"{recipe.stem}-ablation"
    ablation = Ablation(chosen(every, only), seeds, folder, every)
    if dry_run:
        if as_json:
            print_json(_plan(ablation))
        else:
            typer.echo(_listing(ablation))
        return
    dataset, name = _validation(plan, data)
    faces = sum(sample.expression is not None for sample in dataset)
    about = {
        "recipe": str(recipe), "overrides": [*(overrides or ())], "data": name,
        "faces": faces if limit is None else min(limit, faces),
    }  # fmt: skip
    table = about
    if not list(ablation.trainings()):
        raise UsageError(
            "none of these variants can be trained: 'expllm eval ablate --dry-run' gives the reasons"
        )
    found = run_ablation(
        ablation, dataset, name, limit=limit, batch=batch_size, quiet=quiet,
        after=lambda done: table.update(write_ablation(ablation, done, about)),
    )  # fmt: skip
    _tell(table, as_json)
    leave(of_trainings(list(found.values())))


def _validation(plan: "Recipe", data: str | None) -> tuple[Any, str]:
    """The data set that the models are evaluated on, and its name."""
    from expllm.evals.splits import open_named

    if data is not None:
        return open_named(data), data
    names = [plan.data.valid] if isinstance(plan.data.valid, str) else [*(plan.data.valid or ())]
    if not names:
        raise UsageError(
            "the recipe has no validation data: give --data DATASET, such as --data ferplus:valid"
        )
    return open_named(names[0], plan.data.root, plan.data.kind), names[0]


def _tell(table: dict[str, Any], as_json: bool) -> None:
    from expllm.evals.ablation_run import ablation_markdown

    if as_json:
        print_json(table)
    else:
        typer.echo(ablation_markdown(table), nl=False)


def _plan(ablation: "Ablation") -> dict[str, Any]:
    """The variants as JSON values; what they would change, and how far each is."""
    return {
        "variants": [
            {
                "table": one.table, "variant": one.name, "paper": one.paper, "override": one.override,
                "state": ablation.state(one), "note": one.note, "trained_as": one.home,
            }
            for one in ablation.variants
        ],
        "trainings": len(list(ablation.trainings())),
    }  # fmt: skip


def _listing(ablation: "Ablation") -> str:
    """The variants, what each changes, and how far it is."""
    lines = []
    for variant in ablation.variants:
        paper = "-" if variant.paper is None else f"{variant.paper:.2f}"
        changed = variant.override or ("-" if variant.recipe is None else "the recipe as it is")
        state = ablation.state(variant)
        lines.append(f"Table {variant.table:<3} {variant.name:<21} {paper:>6}  {state:<12} {changed}")
        if variant.note:
            lines.append(f"{'':<44}{variant.note}")
        if variant.home != variant.name:
            lines.append(f"{'':<44}trained once, as {variant.home}")
    count = len(list(ablation.trainings()))
    told = f"{len(ablation.variants)} variants, {count} trainings"
    return "\n".join([*lines, "", f"{told}; the third column is the paper's accuracy in percent"])
