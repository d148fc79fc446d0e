"""`/health` and `/metrics`: the same for one server and for the door before several."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from fastapi import APIRouter
from starlette.responses import Response

from expllm.server.http_errors import ApiError
from expllm.server.responses import ERRORS

PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"


class Service(Protocol):
    """What answers requests."""

    @property
    def ready(self) -> bool:
        """Everything has been loaded and tried."""

    @property
    def draining(self) -> bool:
        """The server ends."""


def health_routes(service: Service, figures: Callable[[], Awaitable[bytes]]) -> APIRouter:
    """The routes.

    Args:
        service: Whose state they tell.
        figures: Gives the figures in Prometheus' text format.
    """
    router = APIRouter()

    @router.get("/health/live", summary="Whether the server runs")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/health/ready", summary="Whether it takes pictures", responses={503: ERRORS[503]})
    async def ready() -> dict[str, str]:
        if service.draining:
            raise ApiError(503, "The server is ending.", "draining")
        if not service.ready:
            raise ApiError(503, "The server is loading its models.", "starting", headers={"Retry-After": "1"})
        return {"status": "ready"}

    @router.get(
        "/metrics", summary="Figures for Prometheus", response_class=Response, responses={401: ERRORS[401]}
    )
    async def metrics() -> Response:
        return Response(await figures(), media_type=PROMETHEUS)

    return router
