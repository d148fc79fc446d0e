"""`expllm train RECIPE`: the two-stage training of the paper, at any size."""

from pathlib import Path
from typing import Annotated

import typer

from expllm.cli.figures import JsonOption, print_json
from expllm.cli.options import LicenceOption, QuietOption
from expllm.core.packages import TRAINING_PACKAGES, require


def train_command(
    recipe: Annotated[Path, typer.Argument(help="A recipe, such as recipes/rafdb.yaml.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE ...]", help="Overrides, such as train.max_steps=50."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the run. [default: runs/NAME]")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its cost without training.")
    ] = False,
    as_json: JsonOption = False,
    licence: LicenceOption = "any",
    quiet: QuietOption = False,
) -> None:
    """Train a model from a recipe, and print its folder.

    Run the same command again to resume. Ctrl-C finishes the current step, saves a checkpoint and exits.
    """
    require(*TRAINING_PACKAGES)
    from expllm.train.recipe import load_recipe
    from expllm.train.recipe_licence import check_recipe_licence

    chosen = load_recipe(recipe, overrides or ())
    check_recipe_licence(chosen, licence)
    if dry_run:
        from expllm.train.dry_run import plan_recipe

        plan = plan_recipe(chosen)
        if as_json:
            print_json(plan.to_dict())
        else:
            typer.echo("\n".join(plan.lines()))
        return
    if any(stage.report_to == "tensorboard" for stage in chosen.stages):
        require("tensorboard")
    from expllm.train.stages import train_stages as work

    model = work(chosen, output or Path("runs") / recipe.stem, quiet=quiet)
    if as_json:
        print_json({"model": str(model)})
    else:
        typer.echo(model)
