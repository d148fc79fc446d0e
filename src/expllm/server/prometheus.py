"""Figures for Prometheus. No label names a person, a file or an address."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from expllm.core.records import FaceAnalysis
from expllm.server.admission import Queue

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The figures of one server.

    Args:
        queue: Its places.
    """

    def __init__(self, queue: Queue) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "expllm_requests", "Requests by route and status.", ("route", "code"), registry=self._registry
        )
        self._waited = Histogram(
            "expllm_queue_seconds",
            "Seconds that a picture waited for a thread.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._worked = Histogram(
            "expllm_work_seconds",
            "Seconds from then to its analysis.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._faces = Counter("expllm_faces", "Faces found.", registry=self._registry)
        self._faceless = Counter(
            "expllm_pictures_without_a_face", "Pictures in which no face was found.", registry=self._registry
        )
        self._uncertain = Counter(
            "expllm_uncertain_faces", "Faces whose expression was withheld.", registry=self._registry
        )
        Gauge("expllm_places_taken", "Pictures under way or waiting.", registry=self._registry).set_function(
            lambda: queue.taken
        )

    def answered(self, route: str, code: int) -> None:
        """One request more.

        Args:
            route: The path as it is declared; `other` where there is none.
        """
        self._requests.labels(route, str(code)).inc()

    def analyzed(self, analyses: list[FaceAnalysis], *, waited: float, worked: float) -> None:
        """One picture more; seconds."""
        self._waited.observe(waited)
        self._worked.observe(worked)
        self._faces.inc(len(analyses))
        self._uncertain.inc(sum(one.uncertain for one in analyses))
        if not analyses:
            self._faceless.inc()

    async def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)
