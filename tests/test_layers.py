"""Imports go downwards only, and `import expllm` stays light."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import expllm

SOURCE = Path(expllm.__file__).parent

# A module or package may import from its own layer and from those below.
LAYERS = (
    {"errors", "faces", "packages", "records", "conversations", "grounding", "threads", "__init__"},
    {
        "images",
        "pixels",
        "fetch",
        "inputs",
        "folders",
        "globs",
        "formats",
        "frames",
        "tiff",
        "weights",
        "native",
        "progress",
        "tabular",
        "outfiles",
        "outfolders",
        "runs",
        "settings",
        "signals",
    },
    {
        "detectors",
        "landmarks",
        "facefinder",
        "smallfaces",
        "mosaics",
        "visibility",
        "convnets",
        "aureaders",
        "autables",
        "auclassifier",
        "aupixels",
        "facenet",
        "crops",
        "counterfactuals",
        "chat",
        "data",
        "model",
        "shipped",
    },
    {"predict", "measuring", "explainers", "cot", "rewards"},
    {"report", "batch", "tables", "outputs", "train", "evals"},
    {"video"},
    {"serve"},
    {"cli", "__main__"},
)
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}
TORCH_PARTS = ("model", "train")  # torch code by nature, and imported late by all others
HEAVY = ("mediapipe", "torch", "cv2", "onnxruntime", "pyarrow", "openai", "aiohttp", "av")


def part(path: Path) -> str:
    """The part of the package that a file belongs to: its module, or its folder."""
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imported_modules(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "expllm":
                names += [f"expllm.{alias.name}" for alias in node.names]
            elif node.module:
                names.append(node.module)
    return names


def test_every_module_has_a_layer() -> None:
    assert {part(path) for path in SOURCE.rglob("*.py")} == set(LAYER_OF)


def test_imports_go_downwards_only() -> None:
    upward = []
    for path in SOURCE.rglob("*.py"):
        if path == SOURCE / "__init__.py":  # names the public objects of every layer, imports none
            continue
        for name in imported_modules(ast.parse(path.read_text())):
            pieces = name.split(".")
            if pieces[0] != "expllm" or len(pieces) < 2 or pieces[1] == "__version__":
                continue
            if LAYER_OF[pieces[1]] > LAYER_OF[part(path)]:
                upward.append(f"{path.relative_to(SOURCE)} -> {name}")
    assert upward == []


def test_no_heavy_import_at_module_level() -> None:
    heavy = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            allowed = ("torch",) if part(path) in TORCH_PARTS else ()
            names = [name for name in imported_modules_at(node) if name in HEAVY and name not in allowed]
            heavy += [f"{path.name}: {name}" for name in names]
    assert heavy == []


def imported_modules_at(node: ast.stmt) -> list[str]:
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return []
    return [name.split(".")[0] for name in imported_modules(node)]


def loaded_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_import_expllm_loads_nothing_heavy() -> None:
    assert not loaded_after("import expllm") & {*HEAVY, "numpy", "PIL", "pydantic", "rich"}


def test_help_loads_neither_mediapipe_nor_torch() -> None:
    code = (
        "from expllm.cli.main import run\nimport contextlib, io\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): run(['--help'])"
    )
    assert not loaded_after(code) & {*HEAVY, "numpy", "PIL", "pydantic"}


def test_modules_and_functions_fit_a_screen() -> None:
    long = []
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        if len(text.splitlines()) > 500:
            long.append(f"{path.relative_to(SOURCE)}: {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                if size > 60:
                    long.append(f"{path.name}: {node.name} has {size} lines")
    assert long == []


def test_no_two_test_files_have_the_same_name() -> None:
    """pytest imports them by it: with two of a name it collects none."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
