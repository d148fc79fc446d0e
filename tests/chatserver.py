"""An OpenAI-style server on loopback that misbehaves on purpose, and keeps count.

In a test: `async with ChatServer(faults={0: Fault.RESET}) as server: ... server.url`. From a shell, for load:
`python tests/chatserver.py --latency-ms 50 --fault-share 0.2` prints its port; GET /counts and /seen tell
what it saw. The same seed gives the same faults and latencies for the same number of a request.
"""

import argparse
import asyncio
import hashlib
import importlib
import json
import math
import random
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from enum import StrEnum
from typing import Any, Self

from aiohttp import web

Payload = dict[str, Any]
Answer = Callable[[Payload], str]


class Fault(StrEnum):
    """What goes wrong with one request."""

    TOO_MANY = "429"
    TOO_MANY_SECONDS = "429-seconds"
    TOO_MANY_DATE = "429-date"
    ERROR = "500"
    UNAVAILABLE = "503"
    UNAVAILABLE_SECONDS = "503-seconds"
    RESET = "reset"
    STALL = "stall"
    STALL_HALFWAY = "stall-halfway"
    DRIP = "drip"
    CUT_JSON = "cut-json"
    CUT_BODY = "cut-body"
    NO_CHOICES = "no-choices"
    EMPTY_BODY = "empty-body"
    EMPTY = "empty"
    REFUSAL = "refusal"
    REFUSAL_IN_WORDS = "refusal-in-words"
    FILTERED = "filtered"
    WRONG_LABEL = "wrong-label"
    ENDLESS = "endless"
    CONTENT_TYPE = "content-type"
    NO_USAGE = "no-usage"
    BAD_REQUEST = "400"
    TOO_LONG_PROMPT = "context-length"
    FILTERED_PROMPT = "filtered-prompt"
    KEY = "401"
    MODEL = "404"
    QUOTA = "quota"
    REDIRECT = "307"


PASSING = (
    Fault.TOO_MANY,
    Fault.TOO_MANY_SECONDS,
    Fault.TOO_MANY_DATE,
    Fault.ERROR,
    Fault.UNAVAILABLE,
    Fault.RESET,
    Fault.STALL,
    Fault.CUT_JSON,
    Fault.EMPTY_BODY,
    Fault.EMPTY,
    Fault.REFUSAL,
    Fault.WRONG_LABEL,
    Fault.ENDLESS,
    Fault.CONTENT_TYPE,
)
"""Faults that a run has to survive, and that another attempt may not meet."""

Faults = Mapping[int, Fault] | Callable[[int], Fault | None]
"""Number of a request, from 0, -> what goes wrong with it."""


@dataclass(frozen=True)
class Canned:
    """A reply as it goes over the wire."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


REFUSAL = "I'm sorry, but I can't assist with that request."
WRONG_LABEL = "bewilderment"


def by_chance(
    share: float, kinds: tuple[Fault, ...] = PASSING, *, seed: int = 0
) -> Callable[[int], Fault | None]:
    """A fault with the probability `share`, each kind as often as another; the same for the same seed."""

    def fault_of(number: int) -> Fault | None:
        chance = random.Random(f"{seed}:{number}")
        return chance.choice(kinds) if chance.random() < share else None

    return fault_of


@dataclass(slots=True)
class Seen:
    """One request as the server saw it.

    Attributes:
        call: What belongs together: the client's id without the number of the attempt, else `key`.
        key: SHA-256 of the body.
        at: Unix time of its arrival, in seconds.
        not_before: Unix time before which the same call must not come again.
        prompt_tokens: What the reply reported, None where no whole reply left.
    """

    number: int
    call: str
    key: str
    at: float
    fault: Fault | None = None
    not_before: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    body: bytes | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


class ChatServer:
    """The server; use with `async with`.

    Args:
        answer: Makes the text of a reply from the request.
        latency: Median seconds until a reply.
        sigma: Standard deviation of the latency's logarithm; 0 for a constant latency.
        retry_after: Seconds asked for in Retry-After; a date is rounded up to whole seconds.
        remember: Keep bodies and headers. Without, only counts and hashes: for long runs.
        canned: The reply to a request, as it is; None lets `answer` reply.
    """

    def __init__(
        self,
        answer: Answer = lambda payload: "happiness",
        *,
        faults: Faults | None = None,
        latency: float = 0.0,
        sigma: float = 0.0,
        retry_after: float = 1.0,
        stall: float = 3600.0,
        seed: int = 0,
        port: int = 0,
        remember: bool = True,
        canned: Callable[[Payload], Canned | None] = lambda payload: None,
    ) -> None:
        self.answer = answer
        self.faults = faults
        self.latency, self.sigma, self.seed = latency, sigma, seed
        self.retry_after = retry_after
        self.stall = stall
        self.port = port
        self.remember = remember
        self.canned = canned
        self.seen: list[Seen] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The base URL that a client is given."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/counts", self._counts)
        app.router.add_get("/seen", self._list)
        self.add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=4096)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def add_routes(self, app: web.Application) -> None:
        """What a server of another kind answers besides."""

    # What it saw

    def counts(self) -> dict[str, Any]:
        """Totals: requests, kinds of faults, tokens that were reported, most requests at one time."""
        return {
            "requests": len(self.seen),
            "calls": len({seen.call for seen in self.seen}),
            "faults": dict(Counter(str(seen.fault) for seen in self.seen if seen.fault)),
            "prompt_tokens": sum(seen.prompt_tokens or 0 for seen in self.seen),
            "completion_tokens": sum(seen.completion_tokens or 0 for seen in self.seen),
            "most_in_flight": self.most_in_flight,
        }

    def undercut(self) -> list[Seen]:
        """Requests that came before the server had allowed their call to come again."""
        allowed: dict[str, float] = {}
        early = []
        for seen in self.seen:
            if seen.at < allowed.get(seen.call, 0.0):
                early.append(seen)
            if seen.not_before is not None:
                allowed[seen.call] = seen.not_before
        return early

    # Requests

    async def _counts(self, _: web.Request) -> web.Response:
        return web.json_response(self.counts() | {"undercut": len(self.undercut())})

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response([asdict(seen) | {"body": None} for seen in self.seen])

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            body = await request.read()
            seen = self._note(request, body)
            if seconds := self._seconds(seen.number):
                await asyncio.sleep(seconds)
            if (canned := self.canned(json.loads(body))) is not None:
                return _as_it_is(canned)
            if seen.fault is None:
                return self._reply(seen, json.loads(body))
            return await self._fail(request, seen, json.loads(body))
        except ConnectionResetError:  # the client has had enough
            return web.Response()
        finally:
            self.in_flight -= 1

    def note_line(self, body: bytes) -> Seen:
        """A request that did not come alone, but in a file."""
        key = hashlib.sha256(body).hexdigest()
        self.seen.append(Seen(len(self.seen), key, key, time.time()))
        return self.seen[-1]

    def _note(self, request: web.Request, body: bytes) -> Seen:
        number = len(self.seen)
        key = hashlib.sha256(body).hexdigest()
        call = request.headers.get("X-Client-Request-Id", "").rpartition("-")[0] or key
        faults = self.faults
        fault = faults(number) if callable(faults) else (faults or {}).get(number)
        seen = Seen(number, call, key, time.time(), fault)
        if self.remember:
            seen.body, seen.headers = body, dict(request.headers)
        self.seen.append(seen)
        return seen

    def _seconds(self, number: int) -> float:
        if not self.sigma:
            return self.latency
        normal = random.Random(f"{self.seed}:latency:{number}").gauss(0.0, self.sigma)
        return self.latency * math.exp(normal)

    # Replies

    def _reply(self, seen: Seen, payload: Payload, text: str | None = None, **message: Any) -> web.Response:
        return web.Response(
            body=self._completion(seen, payload, text, **message), content_type="application/json"
        )

    def _completion(
        self,
        seen: Seen,
        payload: Payload,
        text: str | None = None,
        *,
        finish: str = "stop",
        usage: bool = True,
        **message: Any,
    ) -> bytes:
        text = self.answer(payload) if text is None else text
        completion: Payload = {
            "id": f"chatcmpl-{seen.number}",
            "object": "chat.completion",
            "created": int(seen.at),
            "model": payload["model"],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish,
                    "message": {"role": "assistant", "content": text} | message,
                }
            ],
        }
        if usage:
            seen.prompt_tokens = sum(len(str(m["content"]).split()) for m in payload["messages"])
            seen.completion_tokens = len(text.split())
            completion["usage"] = {
                "prompt_tokens": seen.prompt_tokens,
                "completion_tokens": seen.completion_tokens,
                "total_tokens": seen.prompt_tokens + seen.completion_tokens,
            }
        return json.dumps(completion).encode()

    async def _fail(self, request: web.Request, seen: Seen, payload: Payload) -> web.StreamResponse:
        fault = seen.fault
        if fault in _STATUS:
            return self._refuse(seen)
        if fault in _MESSAGES:
            return self._reply(seen, payload, **_MESSAGES[fault])
        if fault in _BODIES:
            kind, text = _BODIES[fault]
            return web.Response(text=text, content_type=kind)
        if fault is Fault.RESET:
            _reset(request)
        elif fault is Fault.STALL:
            await asyncio.sleep(self.stall)
        elif fault is Fault.REDIRECT:
            return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})
        else:
            return await self._slowly(request, seen, payload)
        return web.Response()

    async def _slowly(self, request: web.Request, seen: Seen, payload: Payload) -> web.StreamResponse:
        """Replies whose headers come, but whose body does not end as it should."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if seen.fault is not Fault.ENDLESS:
            response.content_length = 1000
        await response.prepare(request)
        await response.write(b'{"choices": [{"message": {"role": "assistant", "content": "')
        if seen.fault is Fault.STALL_HALFWAY:
            await asyncio.sleep(self.stall)
        elif seen.fault is Fault.DRIP:
            for _ in range(900):
                await asyncio.sleep(0.02)
                await response.write(b"a")
        elif seen.fault is Fault.ENDLESS:
            for _ in range(1000):
                await response.write(b"and so on " * 6400)
        _reset(request)
        return response

    def _refuse(self, seen: Seen) -> web.Response:
        assert seen.fault is not None
        status, code, message = _STATUS[seen.fault]
        headers = {}
        now = time.time()
        if seen.fault is Fault.TOO_MANY_DATE:
            seen.not_before = math.ceil(now + self.retry_after)
            headers["Retry-After"] = formatdate(seen.not_before, usegmt=True)
        elif seen.fault in (Fault.TOO_MANY_SECONDS, Fault.UNAVAILABLE_SECONDS):
            seen.not_before = now + self.retry_after
            headers["Retry-After"] = f"{self.retry_after:g}"
        error = {"error": {"message": message, "type": code, "code": code, "param": None}}
        return web.json_response(error, status=status, headers=headers)


_STATUS = {
    Fault.TOO_MANY: (429, "rate_limit_exceeded", "Rate limit reached."),
    Fault.TOO_MANY_SECONDS: (429, "rate_limit_exceeded", "Rate limit reached."),
    Fault.TOO_MANY_DATE: (429, "rate_limit_exceeded", "Rate limit reached."),
    Fault.ERROR: (500, "server_error", "The server had an error."),
    Fault.UNAVAILABLE: (503, "overloaded", "The engine is overloaded."),
    Fault.UNAVAILABLE_SECONDS: (503, "overloaded", "The engine is overloaded."),
    Fault.BAD_REQUEST: (400, "invalid_value", "'temperature' must be at most 2."),
    Fault.TOO_LONG_PROMPT: (400, "context_length_exceeded", "The maximum context length is 8192 tokens."),
    Fault.FILTERED_PROMPT: (400, "content_filter", "The prompt triggered the content policy."),
    Fault.KEY: (401, "invalid_api_key", "Incorrect API key provided: sk-ca****nary."),
    Fault.MODEL: (404, "model_not_found", "The model `gpt-nope` does not exist."),
    Fault.QUOTA: (429, "insufficient_quota", "You exceeded your current quota."),
}
_BODIES = {
    Fault.CUT_JSON: ("application/json", '{"choices": [{"index": 0, "message": {"role": "assis'),
    Fault.NO_CHOICES: ("application/json", '{"error": {"message": "upstream is busy", "code": 502}}'),
    Fault.EMPTY_BODY: ("application/json", ""),
    Fault.CONTENT_TYPE: ("text/html", "<html><body>Welcome</body></html>"),
}
_MESSAGES: dict[Fault, dict[str, Any]] = {
    Fault.EMPTY: {"text": ""},
    Fault.REFUSAL: {"text": "", "refusal": REFUSAL},
    Fault.REFUSAL_IN_WORDS: {"text": REFUSAL},
    Fault.FILTERED: {"text": "", "finish": "content_filter"},
    Fault.WRONG_LABEL: {"text": WRONG_LABEL},
    Fault.NO_USAGE: {"usage": False},
}


def _as_it_is(canned: Canned) -> web.Response:
    headers = {"Content-Type": canned.content_type, **canned.headers}
    return web.Response(body=canned.body, status=canned.status, headers=headers)


def _reset(request: web.Request) -> None:
    """Closes the connection with a TCP reset."""
    if (transport := request.transport) is None:
        return
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


# From a shell


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one; it is printed")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="median time until a reply")
    parser.add_argument(
        "--sigma", type=float, default=0.0, help="spread of the latency (log-normal); 0: constant"
    )
    parser.add_argument("--retry-after", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--fault-share", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--faults", default=",".join(PASSING), help="kinds, with commas between")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answer", default="happiness", metavar="TEXT", help="what it says")
    parser.add_argument("--answer-from", metavar="MODULE:FUNCTION", help="or what makes it from the request")
    return parser.parse_args()


def _answer(options: argparse.Namespace) -> Answer:
    if options.answer_from:
        module, _, name = options.answer_from.partition(":")
        made: Answer = getattr(importlib.import_module(module), name)
        return made
    text: str = options.answer
    return lambda payload: text


async def _serve(options: argparse.Namespace) -> None:
    kinds = tuple(Fault(name) for name in options.faults.split(","))
    server = ChatServer(
        _answer(options),
        faults=by_chance(options.fault_share, kinds, seed=options.seed) if options.fault_share else None,
        latency=options.latency_ms / 1000,
        sigma=options.sigma,
        retry_after=options.retry_after,
        seed=options.seed,
        port=options.port,
        remember=False,
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with server:
        print(server.port, flush=True)  # noqa: T201 - the port is what it is asked for
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve(_options()))
