"""What the HTTP reply of a server means: a completion, trouble of one call, or the end of the run."""

import json
from dataclasses import dataclass
from typing import Any, Final

from expllm.chat.address import Address
from expllm.chat.base import NOTHING_USED, Usage
from expllm.chat.errors import BadRequest, ChatError, KeyRejected, QuotaSpent, UnknownModel, Unreachable
from expllm.chat.refusals import is_refusal
from expllm.chat.retries import retry_after
from expllm.chat.transport import Answer

_SPENT: Final = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_FILTERED: Final = ("content_filter", "content_policy_violation")
_MOST_TOKENS: Final = 2**53


@dataclass(slots=True)
class Completion:
    """A reply that says something, be it a refusal."""

    text: str
    model: str
    finish: str
    usage: Usage
    refused: bool


@dataclass(slots=True)
class Trouble:
    """An attempt that gave nothing.

    Attributes:
        reason: As in `ChatFailed`.
        again: Another attempt may do better.
        wait: Seconds that the server asked to wait.
        overloaded: The server has more to do than it can.
        usage: Tokens of a completion that was no use.
    """

    reason: str
    detail: str = ""
    again: bool = True
    wait: float | None = None
    overloaded: bool = False
    usage: Usage = NOTHING_USED


def understand(answer: Answer, model: str, address: Address) -> Completion | Trouble:
    """Reads a reply to a request for `model`.

    Raises:
        ChatError: every further request would be answered like this.
    """
    if 200 <= answer.status < 300:
        kind = answer.headers.get("content-type", "")
        if "json" not in kind and kind:
            return Trouble("content-type", kind.partition(";")[0][:60])
        return _completion(_json(answer.body), model)
    return _refused_request(answer, model, address)


def _json(body: bytes) -> Any:
    """The value, or None for what is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


# Replies


def _completion(data: Any, model: str) -> Completion | Trouble:
    try:
        choice = data["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
    except (TypeError, KeyError, IndexError, AttributeError):
        return Trouble("bad-json", "no choices" if isinstance(data, dict) else "")
    finish = choice.get("finish_reason")
    finish = finish if isinstance(finish, str) else "unknown"
    text = _clean(_text(content))
    usage = _usage(data.get("usage"))
    named = data.get("model")
    named = _clean(named) if isinstance(named, str) and named else model
    if isinstance(refusal, str) and refusal:
        return Completion(_clean(refusal), named, finish, usage, refused=True)
    if finish == "content_filter":
        return Completion(text, named, finish, usage, refused=True)
    if not text.strip():
        return Trouble("empty", f"it ended with {_clean(finish)[:40]!r}", usage=usage)
    return Completion(text, named, _clean(finish), usage, refused=is_refusal(text))


def _text(content: Any) -> str:
    """The message: a text, or the texts of its parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _clean(text: str) -> str:
    """`text` with U+FFFD for half a surrogate pair, which JSON may hold and no file."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _usage(data: Any) -> Usage:
    if not isinstance(data, dict):
        return Usage(None, None)
    return Usage(_tokens(data.get("prompt_tokens")), _tokens(data.get("completion_tokens")))


def _tokens(value: Any) -> int | None:
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS
    return value if known else None


# Errors


def _refused_request(answer: Answer, model: str, address: Address) -> Completion | Trouble:
    code, said = _error(answer.body)
    status = answer.status
    if status == 400 and code in _FILTERED:
        return Completion("", model, "content_filter", NOTHING_USED, refused=True)
    if code == "context_length_exceeded" or status == 413:
        return Trouble("context-length", address.scrub(said), again=False)
    if status in (408, 409, 425, 429) or status >= 500:
        if code in _SPENT:
            raise _fatal(status, code, said, model, address)
        wait = retry_after(answer.headers)
        overloaded = status == 429 or (status == 503 and wait is not None)
        return Trouble(f"http-{status}", address.scrub(said), wait=wait, overloaded=overloaded)
    raise _fatal(status, code, said, model, address)


def _error(body: bytes) -> tuple[str, str]:
    """Code and message of an error, whatever the server's dialect; empty where it has none."""
    data = _json(body)
    if not isinstance(data, dict):
        return "", ""
    error = data.get("error", data)
    if not isinstance(error, dict):
        return "", str(error)
    code, kind = error.get("code"), error.get("type")
    named = next((name for name in (code, kind) if isinstance(name, str)), "")
    said = error.get("message") or error.get("detail") or ""
    return named, said if isinstance(said, str) else json.dumps(said)


def _fatal(status: int, code: str, said: str, model: str, address: Address) -> ChatError:
    where, quoted = address.shown, address.scrub(said)
    quoted = f' ("{quoted}")' if quoted else ""
    if code in _SPENT or status == 402:
        return QuotaSpent(f"the account at {where} has no credit left{quoted}: add some, then run again")
    if status in (401, 403) and not address.authorization:
        return KeyRejected(
            f"{where} wants an API key{quoted}: set the environment variable {address.key_env}"
        )
    if status in (401, 403):
        return KeyRejected(
            f"{where} does not accept the API key{quoted}: check the environment variable {address.key_env}"
        )
    if status == 404 and "model" in f"{code} {said}".lower():
        return UnknownModel(
            f"{where} has no model {model!r}{quoted}: check --model; GET {where}/models lists them"
        )
    if status in (404, 405) or 300 <= status < 400:
        return Unreachable(
            f"{where} answers, but not as a chat endpoint (HTTP {status}): check --base-url, "
            "which often ends with /v1"
        )
    return BadRequest(
        f"{where} finds the request wrong (HTTP {status}){quoted}: check the model's parameters"
    )
