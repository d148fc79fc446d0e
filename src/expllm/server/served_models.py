"""The models that a server answers with."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from expllm.core.errors import UsageError
from expllm.core.licences import chosen_licence
from expllm.model.shipped import CHAT, ENDPOINT, OFFLINE, canonical_name, default_model
from expllm.predict import FaceExplainer, open_explainer
from expllm.server.http_errors import ApiError, bad_request

LABEL_SETS: Final = (7, 8)


class ServedModels:
    """Explainers by name. Nothing heavy is loaded before the first face.

    Args:
        models, dtype, device, licence: As in `ServerConfig`.

    Attributes:
        created: Unix time of the server's start.

    Raises:
        UsageError: there is no such model, it would send pictures elsewhere, or two have the same name.
        MissingWeights, MissingDependency, ModelError, ChatError: as `open_explainer`.
    """

    def __init__(
        self, models: Sequence[str], *, dtype: str = "auto", device: str = "auto", licence: str | None = None
    ) -> None:
        self.created = int(time.time())
        self._rules = {labels: open_explainer(OFFLINE, labels=labels) for labels in LABEL_SETS}
        self._others: dict[str, FaceExplainer] = {}
        permissive = chosen_licence(licence) == "permissive"
        given = tuple(map(canonical_name, models)) or (OFFLINE if permissive else default_model(),)
        self.default = public_name(given[0])
        for model in given:
            if model.startswith((CHAT, ENDPOINT)):
                raise UsageError(f"{model} would send pictures elsewhere: serve a model of this machine")
            name = public_name(model)
            if name in self._others:
                raise UsageError(f"two models are called {name!r}: serve one of them")
            if name != OFFLINE:
                self._others[name] = open_explainer(
                    model, shown_as=name, dtype=dtype, device=device, licence=licence
                )

    @property
    def names(self) -> tuple[str, ...]:
        """What clients may ask for, the default first."""
        return tuple(dict.fromkeys((self.default, *self._others, OFFLINE)))

    @property
    def by_name(self) -> Mapping[str, FaceExplainer]:
        """Each of them."""
        return {name: self.explainer(name) for name in self.names}

    def check(self, name: str) -> None:
        """Whether there is such a model.

        Raises:
            ApiError: 404; there is none.
        """
        if canonical_name(name) not in self.names:
            known = ", ".join(self.names)
            raise ApiError(
                404, f"The model is not served here: use one of {known}.", "model_not_found", param="model"
            )

    def name(self, name: str | None, labels: int | None = None) -> str:
        """Who answers, by name.

        Raises:
            ApiError: as `explainer`.
        """
        self.explainer(name, labels)
        return canonical_name(name or (self.default if labels is None else OFFLINE))

    def explainer(self, name: str | None, labels: int | None = None) -> FaceExplainer:
        """Who answers.

        Args:
            name: None for the default; with a number of labels, for the rules.
            labels: Expressions to tell apart, 7 or 8; only the rules can be asked for that.

        Raises:
            ApiError: 404, there is no such model; 400, it has a label set of its own.
        """
        name = canonical_name(name or (self.default if labels is None else OFFLINE))
        self.check(name)
        if name == OFFLINE:
            return self._rules[labels or 8]
        if labels is not None:
            raise bad_request(f"{name} has a label set of its own: leave out 'labels'.", "labels")
        return self._others[name]

    def close(self) -> None:
        """Frees what they hold."""
        for explainer in (*self._rules.values(), *self._others.values()):
            explainer.close()


def public_name(model: str) -> str:
    """What clients call a model: a folder by its last name only, without its path.

    >>> public_name("runs/mine/model")
    'mine'
    """
    if not ("/" in model or "\\" in model or Path(model).is_dir()):
        return model
    parts = [part for part in Path(model).absolute().parts if part != "model"]
    return parts[-1]
