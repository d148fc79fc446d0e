"""An installation without some packages: a start-up hook that lets Python find them nowhere."""

import os
from pathlib import Path

HOOK = """
import importlib.machinery, os, sys

absent = set(os.environ["EXPLLM_TEST_ABSENT"].split(","))
find = importlib.machinery.PathFinder.find_spec


def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in absent else find(name, path, target)


importlib.machinery.PathFinder.find_spec = find_spec
"""


def without(folder: Path, *modules: str, **environment: str) -> dict[str, str]:
    """The environment of a process in which `modules` are not installed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(HOOK)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ, **environment,
        "PYTHONPATH": os.pathsep.join(paths), "EXPLLM_TEST_ABSENT": ",".join(modules),
    }  # fmt: skip
