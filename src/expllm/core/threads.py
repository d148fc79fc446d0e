"""Threads of native code: never more than the cores that are free, and none that spins while it waits.

PyTorch's threads wait for each other a hundred thousand times in one explanation. By default OpenMP waits
busily: a thread whose partner is off its core, because another program has it, spins away the rest of its own
time there. The bundled picture then took 155 s where it takes 23 s (docs/speed.md).
"""

import os
import sys
from typing import Final

WAITING: Final = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Whoever sets one of these has chosen how threads wait."""
_COUNT: Final = "OMP_NUM_THREADS"
_CONTROLLERS: Final = ("cpu", "cpu,cpuacct", "unified", "")
"""Folders in which control groups limit processor time; without a name for the second version alone."""


def settle_threads(root: str = "/") -> None:
    """Tells native libraries how many threads to start and how these wait, as far as the user has not.

    `import expllm` calls it, so that no entry can forget it. Libraries read these variables of the
    environment when they are loaded, and child processes inherit them. Of a PyTorch that was imported before,
    only the number of threads can still be changed: on a machine that does something else as well, import
    expllm first, or set `OMP_WAIT_POLICY=PASSIVE`.

    Args:
        root: As for `cores`.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ["KMP_BLOCKTIME"] = "0"  # LLVM's OpenMP would spin for 200 ms all the same
    free = cores(root)
    if free == _affinity() or _COUNT in os.environ:
        return
    # OpenMP, OpenBLAS, MKL and Arrow know a process's affinity, but not the quota of a container.
    os.environ[_COUNT] = str(free)
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > free:
        torch.set_num_threads(free)


def cores(root: str = "/") -> int:
    """How many cores this process may use at once: its affinity, or what its container allows, if less.

    Args:
        root: Where `proc` and `sys` are.
    """
    allowed = _quota(root)
    return _affinity() if allowed is None else max(1, min(_affinity(), int(allowed)))


def threads() -> int:
    """How many threads may compute at once: one a core, or `OMP_NUM_THREADS` if that is less."""
    chosen = os.environ.get(_COUNT, "").partition(",")[0].strip()
    return max(1, min(cores(), int(chosen))) if chosen.isdecimal() else cores()


def _affinity() -> int:
    if hasattr(os, "process_cpu_count"):  # Python 3.13; it knows `-X cpu_count` as well
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota(root: str) -> float | None:
    """Processor seconds a second that control groups allow this process, the tightest of all above it."""
    found = []
    for group in _groups(root):
        for name in _CONTROLLERS:
            folder = os.path.join(root, "sys/fs/cgroup", name, group)
            words = _read(f"{folder}/cpu.max").split()
            words = words or [
                *_read(f"{folder}/cpu.cfs_quota_us").split(), *_read(f"{folder}/cpu.cfs_period_us").split()
            ]  # fmt: skip
            if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
                found.append(int(words[0]) / int(words[1]))  # "max" and -1 are no limit
    return min(found, default=None)


def _groups(root: str) -> set[str]:
    """Names of this process's control groups and of all above; "" is the root, all that a container sees."""
    groups = {""}
    for line in _read(os.path.join(root, "proc/self/cgroup")).splitlines():
        parts = line.split(":", 2)[-1].strip("/").split("/")
        groups |= {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    return groups


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:  # another system, another version of control groups, or not ours to see
        return ""
