"""The house: packages import downwards, files in no circle, names once; `import expllm` stays light."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import expllm

SOURCE = Path(expllm.__file__).parent

# From the ground up: a package may import those before it, and those on its own floor never.
FLOORS = (
    {"core"},
    {"files"},
    {"chat", "grounding"},
    {"faces"},
    {"data"},
    {"model"},
    {"cot"},
    {"rewards"},
    {"predict"},
    {"train"},
    {"evals"},
    {"report"},
    {"video"},
    {"server"},
    {"cli"},
)
FLOOR_OF = {name: number for number, names in enumerate(FLOORS) for name in names}
TOP_MODULES = {"__init__", "__main__"}
TORCH_PACKAGES = ("model", "train")  # torch code by nature, and imported late by all others
HEAVY = ("mediapipe", "torch", "cv2", "onnxruntime", "pyarrow", "openai", "aiohttp", "av")


def name_of(path: Path) -> str:
    """`expllm.files.images`, or a package for its `__init__`."""
    dotted = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
    return dotted.removesuffix(".__init__")


TREES = {name_of(path): ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}


def package_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imports_of(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Each import with the module that it reads, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node, whole if whole in TREES else node.module


def for_types(tree: ast.AST) -> set[int]:
    """What stands under `if TYPE_CHECKING`, by identity."""
    blocks = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    return {id(inner) for block in blocks for inner in ast.walk(block)}


def test_every_package_has_a_floor() -> None:
    tops = {path.name for path in SOURCE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert tops == set(FLOOR_OF)
    assert {path.stem for path in SOURCE.glob("*.py")} == TOP_MODULES


def test_packages_import_downwards_only() -> None:
    wrong = set()
    for module, tree in TREES.items():
        own = package_of(module)
        for _, name in imports_of(tree):
            other = package_of(name) if name.startswith("expllm.") else own
            if other == own or own in TOP_MODULES:
                continue
            if FLOOR_OF[other] >= FLOOR_OF[own]:
                wrong.add(f"{module} -> {name}")
    assert wrong == set()


def test_files_import_in_no_circle() -> None:
    graph = {}
    for module, tree in TREES.items():
        typing = for_types(tree)
        graph[module] = {
            name for node, name in imports_of(tree) if name in TREES and id(node) not in typing
        } - {module, "expllm"}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(" -> ".join(reversed(error.args[1]))) from None


def test_no_two_files_have_the_same_name() -> None:
    """A reader who meets a name knows where it lives."""
    names = Counter(path.stem for path in SOURCE.rglob("*.py") if path.stem != "__init__")
    assert [name for name, count in names.items() if count > 1] == []


def public_names(tree: ast.Module) -> Iterator[str]:
    """Classes, functions and constants that a module defines for others; `_names` are its own."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [inner.id for one in targets for inner in ast.walk(one) if isinstance(inner, ast.Name)]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))


def test_no_public_name_is_defined_twice() -> None:
    """One name, one meaning, one place; what a module keeps for itself begins with `_`."""
    homes: dict[str, set[str]] = {}
    for module, tree in TREES.items():
        for name in public_names(tree):
            homes.setdefault(name, set()).add(module)
    assert {name: sorted(modules) for name, modules in homes.items() if len(modules) > 1} == {}


def test_no_heavy_import_at_module_level() -> None:
    heavy = set()
    for module, tree in TREES.items():
        allowed = ("torch",) if package_of(module) in TORCH_PACKAGES else ()
        assert isinstance(tree, ast.Module)
        for node, name in imports_of(tree):
            root = name.split(".")[0]
            if node in tree.body and root in HEAVY and root not in allowed:
                heavy.add(f"{module}: {name}")
    assert heavy == set()


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
    for module, tree in TREES.items():
        last = max((getattr(node, "end_lineno", 0) or 0 for node in ast.walk(tree)), default=0)
        if last > 500:
            long.append(f"{module}: {last} lines")
        most = 60 if package_of(module) == "cli" else 50  # a command's options stand in its signature
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                if size > most:
                    long.append(f"{module}: {node.name} has {size} lines")
    assert long == []


def test_no_two_test_files_have_the_same_name() -> None:
    """pytest imports them by it: with two of a name it collects none."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


MOST_STEPS = {"An image path": 10, "A conversation": 6, "`expllm eval cot`": 4}


def test_the_walks_of_the_map_exist_and_stay_short() -> None:
    """`docs/architecture.md` leads a stranger from what is given to what comes out."""
    map_ = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = map_.partition("## Three walks\n")[2].partition("\n## ")[0]
    walks = re.findall(r"^\*\*([^,]+), .*?(?=^\*\*|\Z)", section, re.MULTILINE | re.DOTALL)
    assert walks == list(MOST_STEPS)
    for text, most in zip(section.split("\n**")[1:], MOST_STEPS.values(), strict=True):
        steps = re.findall(r"^\d+\. `([\w/]+)\.py:([\w.]+)`", text, re.MULTILINE)
        assert 0 < len(steps) <= most
        for path, function in steps:
            assert function in functions_of(TREES[f"expllm.{path.replace('/', '.')}"]), f"{path}: {function}"


def functions_of(tree: ast.AST, inside: str = "") -> Iterator[str]:
    """`function` and `Class.method`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield inside + node.name
        elif isinstance(node, ast.ClassDef):
            yield from functions_of(node, f"{node.name}.")
