"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`, everywhere."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from expllm.core.errors import (
    ExpllmError,
    ImageError,
    NoFaceError,
    RecordError,
    UsageError,
    VideoError,
    VocabularyError,
    one_line,
)

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
"""Status -> `type`, where it is not `invalid_request_error` (4xx) or `server_error` (5xx)."""
CODES: Final[Mapping[int, str]] = {404: "not_found", 405: "method_not_allowed"}
CLIENT_GONE: Final = 499
"""Never sent: what the metrics call a request whose client hung up."""


class ApiError(HTTPException):
    """An answer that is an error.

    A child of Starlette's own exception, because FastAPI lets only that one out of the reading of a body.

    Args:
        status: HTTP status.
        message: What is wrong and what to do, in one line; nothing about the server's files.
        code: For programs.
        param: The parameter at fault.
        headers: Further headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.code, self.param = code, param

    @property
    def content(self) -> dict[str, Any]:
        """The body, as JSON values."""
        other = "server_error" if self.status_code >= 500 else "invalid_request_error"
        kind = _TYPES.get(self.status_code, other)
        return {"error": {"message": self.detail, "type": kind, "param": self.param, "code": self.code}}

    @property
    def response(self) -> Response:
        """The answer."""
        body = json.dumps(self.content).encode()
        return Response(body, self.status_code, dict(self.headers or {}), "application/json")


class ClientGone(Exception):  # noqa: N818 - no error of ours
    """The client hung up before its answer was ready."""


def bad_request(message: str, param: str | None = None, code: str = "invalid_value") -> ApiError:
    """400: the request makes no sense."""
    return ApiError(400, message, code, param=param)


def api_error(error: ExpllmError) -> ApiError | None:
    """An error of the package as an answer; None where it is the server's own and might name its files."""
    if isinstance(error, NoFaceError):
        return ApiError(422, error.line, "no_face", param="image")
    if isinstance(error, ImageError):
        return ApiError(422, error.line, "invalid_image", param="image")
    if isinstance(error, VideoError):
        return ApiError(422, error.line, "invalid_video", param="video")
    if isinstance(error, VocabularyError | RecordError | UsageError):
        return bad_request(error.line)
    return None


def answered(error: ExpllmError, log: Callable[[str], object]) -> ApiError:
    """The same for any error of the package; the log has the line that the client is not shown."""
    found = api_error(error)
    if found is None:
        log(f"{type(error).__name__}: {error.line}")
        found = model_error()
    return found


def while_streaming(error: Exception, log: Callable[[str], object]) -> ApiError:
    """What the rest of an answer says that has begun: its status is sent, so no handler can say it."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, TimeoutError):
        return ApiError(504, "No answer in time: try again later.", "timeout")
    if isinstance(error, ExpllmError):
        return answered(error, log)
    log(f"internal error: {type(error).__name__}; please report it")
    return server_error()


def server_error() -> ApiError:
    """500 for an unexpected error; the log has its kind."""
    return ApiError(500, "The server had an error; its log names the kind.", "internal_error")


def server_ending() -> ApiError:
    """503 for what cannot be finished any more."""
    return ApiError(
        503,
        "The server is shutting down.",
        "server_ending",
        headers={"Connection": "close", "Retry-After": "5"},
    )


def model_error() -> ApiError:
    """503 where a model cannot be used at all; the log says why."""
    return ApiError(
        503, "The model cannot be used at the moment; the server's log says why.", "model_unavailable"
    )


def handle_errors(app: "FastAPI", log: Callable[[str], object]) -> None:
    """Gives every error that a route raises the one shape."""
    from fastapi.exceptions import RequestValidationError

    async def of_ours(_: "Request", error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return error.response

    async def of_http(request: "Request", error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = CODES.get(error.status_code, "invalid_request")
        headers = _allowed(request, error.headers) if error.status_code == 405 else error.headers
        return ApiError(error.status_code, error.detail, code, headers=headers).response

    async def of_validation(_: "Request", error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return first_problem(error.errors()).response

    async def of_package(_: "Request", error: Exception) -> Response:
        assert isinstance(error, ExpllmError)
        return answered(error, log).response

    app.add_exception_handler(ApiError, of_ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(ExpllmError, of_package)


def _allowed(request: "Request", by_first: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """`Allow` by all operations of a path: Starlette names those of its first route alone."""
    from starlette.routing import compile_path

    paths = request.app.openapi()["paths"].items()
    found = [operations for path, operations in paths if compile_path(path)[0].match(request.url.path)]
    methods = sorted({name.upper() for operations in found for name in operations})
    return {"Allow": ", ".join(methods)} if methods else by_first


def first_problem(problems: Sequence[Any]) -> ApiError:
    """The first thing that validation found, in words, with the parameter's path."""
    problem = problems[0]
    if problem["type"].startswith("json_invalid"):
        return bad_request("The body is not valid JSON.", code="invalid_json")
    place = [str(part) for part in problem["loc"]]
    param = ".".join(place[1:] if place[:1] in (["body"], ["query"], ["path"]) else place)
    return bad_request(one_line(f"{param or 'body'}: {problem['msg']}"), param or None)
