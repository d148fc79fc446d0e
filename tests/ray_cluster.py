"""Ray clusters on this machine, for tests: small, without a dashboard, patient where the machine is busy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import pytest

T = TypeVar("T")
TRIES: Final = 4
"""Ray gives a node 30 seconds to register, and no setting changes that."""
STORE: Final = 10**8


@contextmanager
def one_node(cpus: int) -> Iterator[Any]:
    """A cluster of one node, joined; gives the module `ray`."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (extra [ray])")

    def begin() -> None:
        ray.init(
            address="local", num_cpus=cpus, include_dashboard=False, object_store_memory=STORE,
            log_to_driver=False, logging_level="ERROR",
        )  # fmt: skip

    try:
        _patiently(begin, ray.shutdown)
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def two_nodes() -> Iterator[Callable[[], None]]:
    """A cluster of two nodes with a processor each, joined; gives what kills the second one."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (extra [ray])")
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE}
    cluster = Cluster()  # type: ignore[no-untyped-call, unused-ignore]
    try:
        _patiently(lambda: cluster.add_node(**node), lambda: None)
        second = _patiently(lambda: cluster.add_node(num_cpus=1, object_store_memory=STORE), lambda: None)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield lambda: cluster.remove_node(second, allow_graceful=False)
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call, unused-ignore]


def _patiently(begin: Callable[[], T], undo: Callable[[], object]) -> T:
    for _ in range(TRIES):
        try:
            return begin()
        except Exception as error:  # Ray's own type for "timed out during startup"
            if "timed out" not in str(error):
                raise
            undo()
    pytest.skip(f"the machine is too busy for Ray: no node came up in {TRIES} times 30 s")
