"""The replicas on a Ray cluster: started, watched, chosen; one that is lost is started again by Ray."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

from expllm import __version__
from expllm.core.errors import ExpllmError
from expllm.server.admission import Queue
from expllm.server.http_errors import ApiError
from expllm.server.replica import ReplicaServer, ReplicaState
from expllm.server.server_config import ServerConfig

_T = TypeVar("_T")
LOOK_S: Final = 0.5
"""Between two looks at a replica."""
RESTART_S: Final = 10
"""After which a client should try again while no replica runs."""
PATIENCE_S: Final = 10.0
"""That a request waits for a replica to come back."""
KEPT_FROM_REPLICAS: Final = frozenset(
    {"host", "port", "keys", "no_key", "allowed_hosts", "cors", "video", "camera", "rate", "log"}
)
"""Settings that are the door's business."""


class ReplicaLost(Exception):  # noqa: N818 - an event, caught where the request is sent elsewhere
    """A replica went away before its answer was whole."""


@dataclass(eq=False)
class Replica:
    """One of them, as the door sees it.

    Attributes:
        index: From 0.
        actor: Ray's handle.
        url: Where it answers; None while it does not.
        under_way: Requests that it works on.
        lost: Is set when it goes away, and made anew when it is back.
    """

    index: int
    actor: Any
    url: str | None = None
    under_way: int = 0
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def unless_lost(self, work: Awaitable[_T]) -> _T:
        """The result of `work`.

        Raises:
            ReplicaLost: the replica went away before.
        """
        working, losing = asyncio.ensure_future(work), asyncio.ensure_future(self.lost.wait())
        try:
            await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise ReplicaLost
        finally:
            losing.cancel()
            if not working.done():
                working.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await working


class ReplicaPool:
    """All replicas; for use on one event loop, on a machine that has joined the cluster.

    Args:
        config: What the door was started with.
        wanted: Number of replicas; None for one a GPU, or one a node where there are none.

    Attributes:
        queue: The places of those that run, together.
        key: Opens the replicas; nobody else knows it.
        moved: Requests that were sent to another replica because the first was lost.
        ready, draining, failure: As of every service.
    """

    def __init__(self, config: ServerConfig, wanted: int | None = None) -> None:
        self._config, self._wanted = config, wanted
        self.queue = Queue(0, 0)
        self.key = secrets.token_urlsafe(32)
        self.moved = 0
        self.draining = False
        self.failure: ExpllmError | None = None
        self._replicas: list[Replica] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()

    @property
    def live(self) -> list[Replica]:
        """Those that answer."""
        return [one for one in self._replicas if one.url is not None]

    @property
    def ready(self) -> bool:
        """Whether one of them answers."""
        return bool(self.live)

    @property
    def full(self) -> bool:
        """Whether nothing more is taken."""
        return self.queue.full

    def busy(self, headers: Mapping[str, str] | None = None) -> ApiError:
        """503, with the time to wait."""
        return self.queue.busy(headers) if self.live else no_replica(headers)

    async def start(self, on_failure: Callable[[], object]) -> None:
        """Starts the replicas and watches them.

        Args:
            on_failure: Called when one of them can never serve; `failure` says why.
        """
        import ray

        try:
            actors = await asyncio.to_thread(self._started)
        except ray.exceptions.RayError as error:
            self.failure = ExpllmError(f"the cluster starts no replica ({type(error).__name__})")
            on_failure()
            return
        for index, actor in enumerate(actors):
            replica = Replica(index, actor)
            self._replicas.append(replica)
            self._watchers.append(asyncio.ensure_future(self._watch(replica, on_failure)))

    async def close(self) -> None:
        """Ends them all."""
        import ray

        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for replica in self._replicas:
            with suppress(Exception):
                ray.kill(replica.actor)

    async def borrow(self) -> Replica:
        """The replica that has least to do; waits while all are full. `give_back` ends it.

        Raises:
            ApiError: 503; for some time there has been none.
        """
        async with self._changed:
            while (replica := self._least()) is None:
                try:
                    await asyncio.wait_for(self._changed.wait(), PATIENCE_S)
                except TimeoutError:
                    if not self.live:
                        raise no_replica() from None
            replica.under_way += 1
        return replica

    async def give_back(self, replica: Replica) -> None:
        """Says that a request is through."""
        async with self._changed:
            replica.under_way -= 1
            self._changed.notify_all()

    async def lose(self, replica: Replica) -> None:
        """Sends nothing more there, until the replica answers again."""
        if replica.url is None:
            return
        replica.url = None
        replica.lost.set()
        await self._resized()
        self._config.log(f"replica {replica.index} was lost: Ray starts it again")

    def _started(self) -> list[Any]:
        import ray

        resources = ray.cluster_resources()  # type: ignore[no-untyped-call, unused-ignore]
        gpus = int(resources.get("GPU", 0)) if self._config.device != "cpu" else 0
        every = ray.nodes()  # type: ignore[no-untyped-call, unused-ignore]
        nodes = sum(bool(node["Alive"]) for node in every)
        actor = ray.remote(
            num_cpus=0 if gpus else 1, num_gpus=1 if gpus else 0, max_restarts=-1, max_task_retries=0,
            scheduling_strategy="SPREAD",
        )(ReplicaServer)  # fmt: skip
        settings = replica_settings(self._config, self.key)
        return [actor.remote(settings, __version__) for _ in range(self._wanted or gpus or nodes)]

    def _least(self) -> Replica | None:
        places = self._config.workers * (1 + self._config.limits.waiting_per_worker)
        free = [one for one in self.live if one.under_way < places]
        return min(free, key=lambda one: one.under_way, default=None)

    async def _watch(self, replica: Replica, on_failure: Callable[[], object]) -> None:
        """Looks at a replica again and again. A look waits as long as Ray needs to start it."""
        import ray

        while True:
            try:
                state: ReplicaState = await replica.actor.state.remote()
            except ray.exceptions.RayError:
                await self.lose(replica)
            else:
                for line in state.log:
                    self._config.log(f"replica {replica.index}: {line}")
                if state.failure is not None:
                    self.failure = ExpllmError(f"replica {replica.index}: {state.failure}")
                    on_failure()
                    return
                if state.ready:
                    await self._found(replica, state)
            await asyncio.sleep(LOOK_S)

    async def _found(self, replica: Replica, state: ReplicaState) -> None:
        if replica.url == state.url:
            return
        if replica.url is not None:  # it was lost and is back between two looks
            await self.lose(replica)
        replica.url, replica.lost = state.url, asyncio.Event()
        await self._resized()
        self._config.log(f"replica {replica.index} is ready on {state.url} (process {state.process})")

    async def _resized(self) -> None:
        workers = self._config.workers * len(self.live)
        self.queue.resize(workers, workers * self._config.limits.waiting_per_worker)
        async with self._changed:
            self._changed.notify_all()


def replica_settings(config: ServerConfig, key: str) -> dict[str, Any]:
    """What a replica is started with: the door has seen to hosts, origins, keys and rates before it asks."""
    own = {
        one.name: getattr(config, one.name) for one in fields(config) if one.name not in KEPT_FROM_REPLICAS
    }
    return own | {"keys": (key,)}


def no_replica(headers: Mapping[str, str] | None = None) -> ApiError:
    """503: none runs at the moment.

    Args:
        headers: Further ones.
    """
    line = f"No replica runs at the moment: try again in {RESTART_S} s."
    return ApiError(503, line, "no_replica", headers={"Retry-After": str(RESTART_S), **(headers or {})})
