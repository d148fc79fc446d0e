"""The application before several replicas: hosts, keys, limits and the page are its own, answers theirs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from expllm import __version__
from expllm.server.app import add_layers
from expllm.server.forwarding import METHODS, Forwarder
from expllm.server.health_routes import health_routes
from expllm.server.http_errors import handle_errors
from expllm.server.page_routes import page_routes
from expllm.server.replica_pool import ReplicaLost, ReplicaPool
from expllm.server.served_models import ServedModels
from expllm.server.server_config import ServerConfig


def create_door(
    config: ServerConfig, on_failure: Callable[[], object] = lambda: None, *, replicas: int | None = None
) -> FastAPI:
    """The application. It starts replicas on the Ray cluster that was joined, and ends them with itself.

    Args:
        config: What to serve, and to whom.
        on_failure: Called when a replica can never serve; `app.state.service.failure` says why.
        replicas: Their number; None for one a GPU, or one a node where there are none.

    Raises:
        ExpllmError: as `ServedModels`.
    """
    return door_before(ReplicaPool(config, replicas), config, on_failure)


def door_before(
    pool: ReplicaPool, config: ServerConfig, on_failure: Callable[[], object] = lambda: None
) -> FastAPI:
    """The same before these replicas.

    Raises:
        ExpllmError: as `ServedModels`.
    """
    served = ServedModels(config.models, dtype=config.dtype, device=config.device, licence=config.licence)
    forwarder, figures = Forwarder(config, pool), DoorFigures(pool)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await pool.start(on_failure)
        try:
            yield
        finally:
            await pool.close()
            await forwarder.close()

    app = FastAPI(title="ExpLLM", version=__version__, docs_url=None, redoc_url=None, openapi_url=None,
                  lifespan=lifespan)  # fmt: skip
    app.state.service, app.state.models = pool, served.names
    app.include_router(health_routes(pool, lambda: figures.text(forwarder)))
    app.include_router(page_routes(config, served.names))
    app.add_route("/{path:path}", forwarder.__call__, methods=list(METHODS))
    handle_errors(app, config.log)
    add_layers(app, config, pool, figures.answered, {})
    return app


class DoorFigures:
    """The door's figures for Prometheus, and those of all replicas with a label that tells them apart."""

    def __init__(self, pool: ReplicaPool) -> None:
        self._pool, self._registry = pool, CollectorRegistry()
        self._answers = Counter(
            "expllm_door_answers", "Answers of the door by status.", ("code",), registry=self._registry
        )
        for name, words, value in (
            ("expllm_door_places_taken", "Requests under way or waiting.", lambda: pool.queue.taken),
            ("expllm_door_replicas", "Replicas that answer.", lambda: len(pool.live)),
            ("expllm_door_moved", "Requests that lost their replica and were sent on.", lambda: pool.moved),
        ):
            Gauge(name, words, registry=self._registry).set_function(value)

    def answered(self, route: str, code: int) -> None:
        """One answer more; the replicas count by route."""
        self._answers.labels(str(code)).inc()

    async def text(self, forwarder: Forwarder) -> bytes:
        """All figures in Prometheus' text format."""
        texts = await asyncio.gather(*(self._of(forwarder, index) for index in range(len(self._pool.live))))
        together = CollectorRegistry()
        together.register(_Labelled(dict(pair for pair in texts if pair is not None)))
        return generate_latest(self._registry) + generate_latest(together)

    async def _of(self, forwarder: Forwarder, place: int) -> tuple[int, str] | None:
        with suppress(ReplicaLost, IndexError):
            replica = self._pool.live[place]
            return replica.index, (await forwarder.text(replica, "/metrics")).decode()
        return None


class _Labelled:
    """Figures of several replicas as one set: each sample gets the label `replica`."""

    def __init__(self, texts: dict[int, str]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        found: dict[str, Metric] = {}
        for index, text in sorted(self._texts.items()):
            for family in text_string_to_metric_families(text):
                kept = found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    kept.add_sample(sample.name, {**sample.labels, "replica": str(index)}, sample.value)
        yield from found.values()
