"""What every answer has: an id, headers, a place in the metrics; errors have their shape."""

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from expllm.server.http_errors import CLIENT_GONE, ClientGone, server_ending, server_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer that does not say otherwise."""


class Envelope:
    """The outermost layer.

    Args:
        answered: Is told the route and the status of each answer.
        log: Takes one line for an unexpected error: its kind, never its words, which might quote
            what a client sent.
    """

    def __init__(
        self, app: "ASGIApp", answered: Callable[[str, int], object], log: Callable[[str], object]
    ) -> None:
        self._app, self._answered, self._log = app, answered, log

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, status = secrets.token_hex(8), 0

        async def enveloped(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, enveloped)
        except asyncio.CancelledError:  # the server ends, and has waited long enough
            if not status:
                await server_ending().response(scope, receive, enveloped)
            raise
        except ClientGone:
            await Response(status_code=CLIENT_GONE)(scope, receive, enveloped)
        except Exception as error:
            self._log(f"internal error: {_kind(error)} (request {request_id}); please report it")
            if status:  # half an answer is out: the connection is cut
                raise
            await server_error().response(scope, receive, enveloped)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._answered(route, status or CLIENT_GONE)


def _kind(error: BaseException) -> str:
    """The type of an error, and the place in our code where it came up."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/expllm/" in code.co_filename.replace("\\", "/"):
            place = (
                f" in {code.co_filename.replace(chr(92), '/').rpartition('/expllm/')[2]}:{trace.tb_lineno}"
            )
        trace = trace.tb_next
    return type(error).__name__ + place
