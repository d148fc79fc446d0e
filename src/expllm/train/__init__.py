"""Training in stages: recipes, the loop, checkpoints that survive, and what it says of itself.

The package itself can be called: `expllm.train(...)` is [`train`][expllm.train.run_recipe.train].
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """A package of this name would hide a function `expllm.train` as soon as a module of it is imported."""

    def __call__(self, *arguments: Any, **options: Any) -> Path:
        from expllm.train.run_recipe import train

        return train(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage
