"""`expllm models list` and `expllm datasets list`: what ships or is known by name."""

from collections.abc import Iterator
from typing import Any

from expllm.cli.command import Command, new_group
from expllm.cli.figures import JsonOption, print_json, print_view
from expllm.cli.options import DataRootOption

models_app = new_group("List models and networks, with their licences.")
datasets_app = new_group("List data sets.")


@models_app.command("list", cls=Command, short_help="List models and networks: purpose, size, licence.")
def list_models(as_json: JsonOption = False) -> None:
    """List every model and network that ships or is known by name: purpose, size, licence, permissive or not.

    --licence permissive (analyze, aus, cot make, eval, model, serve, train, video) refuses the others.
    """
    from expllm.core.licences import known_weights

    if as_json:
        print_json([one.to_dict() for one in known_weights()])
        return
    from expllm.cli.listing_views import weights_view

    print_view(weights_view(known_weights()))


@datasets_app.command("list", cls=Command, short_help="List data sets: size, terms, whether found.")
def list_datasets(data_root: DataRootOption = None, as_json: JsonOption = False) -> None:
    """List the known data sets: published size, terms, and where each was found.

    Other folders of --data-root (or EXPLLM_DATA, or the settings file) come last. Nothing is opened.
    """
    rows = [*_known(data_root), *_others(data_root)]
    if as_json:
        print_json(rows)
        return
    from expllm.cli.listing_views import datasets_view

    print_view(datasets_view(rows))


def _known(root: str | None) -> Iterator[dict[str, Any]]:
    from expllm.data.about import ABOUT
    from expllm.data.roots import place_of

    for name, about in ABOUT.items():
        place = place_of(name, root)
        yield {
            "name": name, "title": about.title, "published": about.published, "terms": about.terms,
            "obtain": about.obtain, "path": None if place is None else str(place),
        }  # fmt: skip


def _others(root: str | None) -> Iterator[dict[str, Any]]:
    from expllm.data.about import ABOUT, OWN
    from expllm.data.roots import names_in_roots

    for name, path in names_in_roots(root):
        if name not in ABOUT:
            yield {
                "name": name, "title": OWN.title, "published": None, "terms": OWN.terms, "obtain": OWN.obtain,
                "path": str(path),
            }  # fmt: skip
