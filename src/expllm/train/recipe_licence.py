"""Whether the licences of what a recipe begins with allow it; nothing heavy is loaded for the answer."""

from pathlib import Path

from expllm.model.manifest import WEIGHT_NAMES
from expllm.model.presets import preset
from expllm.model.rights import check_base_licences, check_model_licence, check_weights_licence
from expllm.model.shipped import SHIPPED, model_folder
from expllm.train.recipe import Recipe, chosen_preset


def check_recipe_licence(recipe: Recipe, licence: str | None = None) -> None:
    """Refuses what a recipe begins with where only permissive weights are allowed.

    Args:
        recipe: Its model counts; what is known of data sets is said where they are listed.
        licence: As for `chosen_licence`.

    Raises:
        UsageError: it may not be used.
        MissingWeights, ModelError: as `read_manifest`.
    """
    model = recipe.model
    begun = model.init_from
    if begun is not None:
        if begun in SHIPPED or Path(begun).is_dir():  # else it may be yet to be trained
            check_model_licence(licence, model_folder(begun), begun)
        return
    if model.tower is not None:
        check_weights_licence(licence, tower_file(model.tower))
    check_base_licences(licence, chosen_preset(recipe), preset(model.preset))


def tower_file(name: str) -> Path:
    """The file of a tower's weights; the name of a model that ships stands for its tower."""
    return model_folder(name) / WEIGHT_NAMES["tower"] if name in SHIPPED else Path(name)
