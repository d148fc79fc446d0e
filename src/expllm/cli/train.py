"""`expllm train RECIPE`: the two-stage training of the paper, at any size."""

from pathlib import Path
from typing import Annotated

import typer

from expllm.errors import MissingDependency


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, such as recipes/rafdb.yaml.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE ...]", help="Settings on top, such as train.max_steps=50."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the run; runs/NAME by default.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would do, and what it would take.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a model by a recipe; the same command goes on where it was cut.

    Prints the folder of the finished model. Ctrl-C saves after the step under way.
    """
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingDependency(f"{error}: run \"pip install 'expllm[model]'\"") from None
    from expllm.train.config import load_recipe

    chosen = load_recipe(recipe, overrides or ())
    if dry_run:
        from expllm.train.planning import planned

        typer.echo(planned(chosen))
        return
    from expllm.train.loop import train as work

    typer.echo(work(chosen, output or Path("runs") / recipe.stem, quiet=quiet))
