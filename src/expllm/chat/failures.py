"""Classifies a server's error: refusal or failure of one request, or the end of the run."""

import re
from typing import Final

from expllm.chat.address import Address
from expllm.chat.chat_errors import BadRequest, ChatError, KeyRejected, QuotaSpent, UnknownModel, Unreachable
from expllm.chat.dialects import MAX_COMPLETION_TOKENS, MAX_TOKENS
from expllm.chat.error_kinds import Kind, error_kind
from expllm.chat.error_response import ErrorResponse
from expllm.chat.outcomes import Completion, FailedAttempt, TokenLimit
from expllm.chat.protocol import FILTERED, NOTHING_USED

_PARAMETERS: Final = {
    MAX_COMPLETION_TOKENS: "lower {option}, or leave it out",
    MAX_TOKENS: "lower {option}, or leave it out",
    "temperature": "leave it out with --temperature none",
    "seed": "leave out --seed",
    "top_p": "check the model's parameters",
    "logprobs": "check the model's parameters",
    "response_format": "check the model's parameters",
    "reasoning_effort": "check the model's parameters",
    "enable_thinking": "check the model's parameters",
}
"""Parameter -> what to do where a server refuses it, or its value."""

_NOT_TAKEN: Final = re.compile(
    r"unsupported|not supported|unrecognized|unknown|not permitted|extra_forbidden|cannot find field"
    r"|unexpected|deprecated|instead"
)
"""What a server says of a parameter that it does not know, rather than of its value."""

_CONTEXT: Final = re.compile(r"context (?:length|size|window)\D{0,25}(\d+)")
_BY_STATUS: Final[dict[int, Kind]] = {401: "key", 402: "credit"}
_FINAL: Final = (401, 402, 404, 405)
"""Statuses that say the same of every request, as do those below 400. 403 does not: moderations and firewalls
send it, too."""
_OF_A_KEY: Final = re.compile(r"\b(?:api[ _-]?)?key\b|\btoken\b|credential|authenticat|authoriz|permission")


def failure(
    error: ErrorResponse, model: str, address: Address, limit: TokenLimit, wait: float | None = None
) -> Completion | FailedAttempt:
    """Reads an error in reply to a request for `model`.

    Args:
        error: What the server said.
        model: What was asked for.
        address: Where; its secrets are in no message.
        limit: The token limit that was sent.
        wait: Seconds that the reply's headers ask to wait.

    Raises:
        ChatError: every further request would be answered like this.
    """
    said, kind = address.scrub(error.text), error_kind(error.words, address.dialect)
    if kind == "filtered" and error.status != 401:
        return Completion(said, model, FILTERED, NOTHING_USED, refused=True)
    if kind == "context" or error.status == 413:
        if _never_fits(error, limit):
            raise _bad_request(error, address, _PARAMETERS[MAX_TOKENS].format(option=limit.option))
        return FailedAttempt("context-length", said, again=False)
    if kind == "length":
        return FailedAttempt("out-of-tokens", f"{said}: raise {limit.option}", again=False)
    if kind in ("credit", "pictures") or (kind == "model" and "model_not_found" in error.codes):
        raise _fatal(kind, error, model, address)
    if error.passing or (error.status == 0 and kind not in ("model", "key", "place")):
        wait = error.wait if wait is None else wait
        overloaded = error.status == 429 or (error.status == 503 and wait is not None)
        name = f"http-{error.status}" if error.status else "error"
        return FailedAttempt(name, said, wait=wait, overloaded=overloaded)
    if kind is not None or error.status < 400 or error.status in _FINAL:
        raise _fatal(kind, error, model, address)
    return _refused_request(error, address, limit)


def _never_fits(error: ErrorResponse, limit: TokenLimit) -> bool:
    """Whether a server complains of a token limit that alone is more than its context: no request ever fits.

    Not all servers reserve room for the reply; those that do name the number that was asked for.
    """
    text = error.text.casefold().replace(",", "")
    if limit.value is None or not re.search(rf"\b{limit.value}\b", text):
        return False
    return any(0 < int(size[:12]) <= limit.value for size in _CONTEXT.findall(text))


def _refused_request(error: ErrorResponse, address: Address, limit: TokenLimit) -> FailedAttempt:
    """A request that would be refused again as it is.

    Raises:
        BadRequest: one of its parameters is wrong, which all requests have.
    """
    said, parameter = address.scrub(error.text), _parameter(error)
    if limit.value is not None and parameter == limit.name and _NOT_TAKEN.search(error.words.casefold()):
        other = MAX_TOKENS if limit.name == MAX_COMPLETION_TOKENS else MAX_COMPLETION_TOKENS
        return FailedAttempt(f"http-{error.status}", said, limit_name=other)
    if parameter in (MAX_TOKENS, MAX_COMPLETION_TOKENS) and limit.value is None:
        raise _bad_request(error, address, f"give {limit.option}")
    if parameter:
        raise _bad_request(error, address, _PARAMETERS[parameter].format(option=limit.option))
    return FailedAttempt(f"http-{error.status}", said, again=False, unknown=True)


def _parameter(error: ErrorResponse) -> str:
    """The parameter that an error is about: the one that it names first; empty where it names none."""
    named = error.parameter.rpartition(".")[2]
    if named in _PARAMETERS:
        return named
    words = error.words.casefold()
    places = {found.start(): name for name in _PARAMETERS if (found := re.search(rf"\b{name}\b", words))}
    return places[min(places)] if places else ""


def refused_for_good(trouble: FailedAttempt, address: Address, remedy: str) -> ChatError:
    """The error of a request that the server refuses every time, in its own words."""
    status = trouble.reason.rpartition("-")[2]
    if status == "403":
        return _no_entry(403, trouble.detail, address)
    return BadRequest(
        f"{address.shown} finds the request wrong (HTTP {status}){_quoted(trouble.detail)}: {remedy}"
    )


def _bad_request(error: ErrorResponse, address: Address, remedy: str) -> BadRequest:
    status, quoted = error.status or 200, _quoted(address.scrub(error.text))
    return BadRequest(f"{address.shown} finds the request wrong (HTTP {status}){quoted}: {remedy}")


def _fatal(kind: Kind | None, error: ErrorResponse, model: str, address: Address) -> ChatError:
    """What ends the run; the server's own words are in it."""
    where, status, quoted = address.shown, error.status, _quoted(address.scrub(error.text))
    if kind is None:
        named = status == 404 and "model" in error.words.casefold()
        kind = "model" if named else _BY_STATUS.get(status, "place")
    if kind == "credit":
        fewer = ", or lower --max-new-tokens" if MAX_TOKENS in error.text else ""
        return QuotaSpent(
            f"the account at {where} has no credit or quota left{quoted}: top it up{fewer}, then run again"
        )
    if kind == "pictures":
        return BadRequest(f"{model!r} at {where} takes no images{quoted}: choose a model that does")
    if kind == "model":
        return UnknownModel(
            f"{where} has no model {model!r}{quoted}: check {address.model_option}; "
            f"GET {where}/models lists them"
        )
    if kind == "place":
        return Unreachable(
            f"{where} answers, but not as a chat endpoint (HTTP {status or 200}){quoted}: check "
            f"{address.option}, which often ends with /v1"
        )
    return _no_entry(status, address.scrub(error.text), address)


def _no_entry(status: int, said: str, address: Address) -> KeyRejected:
    """The error of a closed door. A 403 is blamed on the key only where the server names one."""
    where, variable, quoted = address.shown, address.key_env, _quoted(said)
    if status == 403 and not _OF_A_KEY.search(said.casefold()):
        remedy = "check that this network, country and account may use it"
        if not address.authorization:
            remedy += f", and whether it wants a key in {variable}"
        return KeyRejected(f"{where} denies access (HTTP 403){quoted}: {remedy}")
    if not address.authorization:
        return KeyRejected(f"{where} wants an API key{quoted}: set the environment variable {variable}")
    if status == 403:
        return KeyRejected(
            f"{where} denies access (HTTP 403){quoted}: check what the API key in {variable} may use"
        )
    return KeyRejected(
        f"{where} does not accept the API key{quoted}: check the environment variable {variable}"
    )


def _quoted(said: str) -> str:
    return f' ("{said}")' if said else ""
