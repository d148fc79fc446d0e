"""Threads of native code: how many, how they wait, and that what the user has chosen stays."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from expllm.core.threads import WAITING, cores, threads

SOURCE = Path(__file__).parents[2] / "src" / "expllm"
COUNT = "OMP_NUM_THREADS"
needs_two = pytest.mark.skipif(cores() < 2, reason="needs two cores")
needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")


def after(code: str, **chosen: str) -> tuple[str, str]:
    """What a new process prints, on both streams, where only `chosen` says anything about threads."""
    unsaid = {name: value for name, value in os.environ.items() if name not in (*WAITING, COUNT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**unsaid, **chosen}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip(), done.stderr


def machine(root: Path, groups: str, **limits: str) -> str:
    """A root folder with control groups; `limits` by path, `__` for a slash and `_dot_` for a dot."""
    files = {"proc/self/cgroup": groups}
    for name, text in limits.items():
        files[f"sys/fs/cgroup/{name.replace('__', '/').replace('_dot_', '.')}"] = text
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


@needs_two
@pytest.mark.parametrize(
    ("groups", "limits"),
    [
        ("0::/\n", {"cpu_dot_max": "150000 100000\n"}),  # a container sees itself as the root
        ("0::/box\n", {"box__cpu_dot_max": "100000 100000\n"}),
        ("0::/box/job\n", {"box__cpu_dot_max": "100000 100000\n", "box__job__cpu_dot_max": "max 100000\n"}),
        ("0::/box\n", {"box__cpu_dot_max": "50000 100000\n"}),  # half a core is one thread all the same
        ("1:cpu:/\n", {"cpu__cpu_dot_cfs_quota_us": "100000\n", "cpu__cpu_dot_cfs_period_us": "100000\n"}),
        (
            "4:cpu,cpuacct:/docker/1f\n0::/docker/1f\n",  # the host's name of it; seen as the root
            {"cpu__cpu_dot_cfs_quota_us": "190000", "cpu__cpu_dot_cfs_period_us": "100000"},
        ),
    ],
)
def test_a_container_of_one_core_gets_one_thread(tmp_path: Path, groups: str, limits: dict[str, str]) -> None:
    assert cores(machine(tmp_path, groups, **limits)) == 1


@pytest.mark.parametrize(
    ("groups", "limits"),
    [
        ("", {}),
        ("0::/box\n", {"box__cpu_dot_max": "max 100000\n"}),
        ("1:cpu:/\n", {"cpu__cpu_dot_cfs_quota_us": "-1\n", "cpu__cpu_dot_cfs_period_us": "100000\n"}),
        ("no such line", {"cpu_dot_max": "something else\n"}),
        ("0::/\n", {"cpu_dot_max": "6400000 100000\n"}),
    ],
)
def test_no_limit_leaves_all_cores(tmp_path: Path, groups: str, limits: dict[str, str]) -> None:
    assert cores(machine(tmp_path, groups, **limits)) == cores(str(tmp_path / "nothing")) >= 1


@pytest.mark.slow
@needs_affinity
def test_a_process_bound_to_one_core_starts_one_thread() -> None:
    code = (
        "import os\nos.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "import expllm.predict.batch, torch\nfrom expllm.core.threads import cores\n"
        "print(cores(), expllm.predict.batch.default_workers(), torch.get_num_threads())"
    )
    assert after(code)[0] == "1 1 1"


@pytest.mark.parametrize(
    ("chosen", "expected"), [("1", 1), ("1,4", 1), ("4096", None), ("0", 1), ("many", None), ("", None)]
)
def test_the_users_number_is_an_upper_bound(
    monkeypatch: pytest.MonkeyPatch, chosen: str, expected: int | None
) -> None:
    monkeypatch.setenv(COUNT, chosen)
    assert threads() == (expected or cores())


def test_openmp_is_told_before_it_is_loaded() -> None:
    """`OMP_DISPLAY_ENV` makes OpenMP print what it has understood."""
    shown = after("import expllm, torch", OMP_DISPLAY_ENV="TRUE")[1]
    assert re.search(r"OMP_WAIT_POLICY = 'PASSIVE'", shown), shown


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "5")])
def test_what_the_user_has_chosen_stays(name: str, value: str) -> None:
    code = f"import os, expllm\nprint({{name: os.environ.get(name) for name in {WAITING}}})"
    assert after(code, **{name: value})[0] == str({one: value if one == name else None for one in WAITING})


@pytest.mark.parametrize(
    "entry",
    [
        "import expllm",
        "from expllm.cli.main import app",
        "import expllm.train.recipe",
        "from expllm.cot import cluster",
    ],
)
def test_no_entry_loads_pytorch_before_threads_are_settled(entry: str) -> None:
    code = f"import sys, os\n{entry}\nprint(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    assert after(code)[0] == "PASSIVE False"


def test_child_processes_inherit_it() -> None:
    code = (
        "import multiprocessing, os, expllm\n"
        "if __name__ == '__main__':\n"
        "    for way in ('forkserver', 'spawn', 'fork'):\n"
        "        with multiprocessing.get_context(way).Pool(1) as pool:\n"
        "            print(pool.apply(os.getenv, ('OMP_WAIT_POLICY',)))\n"
    )
    assert after(code)[0].split() == ["PASSIVE"] * 3


@pytest.mark.slow
@needs_two
@pytest.mark.parametrize("first", ["expllm", "torch"])
def test_a_quota_bounds_pytorchs_threads_in_either_order(tmp_path: Path, first: str) -> None:
    root = machine(tmp_path, "0::/\n", cpu_dot_max="100000 100000\n")
    settle = f"from expllm.core import threads\nthreads.settle_threads({root!r})\n"
    code = f"import {first}\n{settle}import torch\nprint(torch.get_num_threads())"
    assert after(code)[0] == "1"


@pytest.mark.slow
@needs_two
def test_a_number_of_the_users_own_stays_under_a_quota(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/\n", cpu_dot_max="100000 100000\n")
    settle = f"from expllm.core import threads\nthreads.settle_threads({root!r})"
    code = f"import torch\n{settle}\nprint(torch.get_num_threads())"
    assert after(code, **{COUNT: "2"})[0] == "2"


def first_import(path: Path, names: tuple[str, ...]) -> str:
    """The one of some packages that a file imports first; empty for none."""
    imported = re.findall(r"^(?:import|from) (\w+)", path.read_text(), re.MULTILINE)
    return next((name for name in imported if name in names), "")


def test_scripts_import_expllm_before_pytorch() -> None:
    root = SOURCE.parent.parent
    programs = [
        path
        for folder in ("scripts", "benchmarks")
        for path in (root / folder).glob("*.py")
        if '__name__ == "__main__"' in path.read_text()
    ]
    late = [
        path.name
        for path in programs
        if first_import(path, ("expllm", "torch", "transformers")) not in ("expllm", "")
    ]
    assert (len(programs) > 20, late) == (True, [])


def test_cores_are_counted_in_one_place() -> None:
    counted = re.compile(r"cpu_count|sched_getaffinity")
    assert [path.name for path in SOURCE.rglob("*.py") if counted.search(path.read_text())] == ["threads.py"]
