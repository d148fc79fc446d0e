"""`expllm.train(...)`: a training from Python, as `expllm train` does it."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from expllm.core.packages import TRAINING_PACKAGES, require


def train(
    recipe: str | PathLike[str],
    *,
    overrides: Sequence[str] = (),
    output: str | PathLike[str] | None = None,
    quiet: bool = True,
) -> Path:
    """Trains a model from a recipe, or resumes a training that was interrupted.

    Args:
        recipe: A YAML file, such as `recipes/compact.yaml`.
        overrides: `key=value` pairs, such as `train.max_steps=50`.
        output: The folder of the run; `runs/NAME` of the recipe if None.
        quiet: Show no progress.

    Returns:
        The folder of the finished model, which `Predictor.load` and `evaluate` take.

    Raises:
        MissingDependency: a package of the extra `model` is missing.
        UsageError, MissingData: as `load_recipe`.
        ExpllmError: data, model or folder stand in the way.
        KeyboardInterrupt: it was stopped, and has saved a checkpoint.
    """
    require(*TRAINING_PACKAGES)
    from expllm.train.recipe import load_recipe
    from expllm.train.stages import train_stages as work

    path = Path(recipe)
    return work(load_recipe(path, overrides), Path(output or Path("runs") / path.stem), quiet=quiet)
