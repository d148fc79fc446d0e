"""Parses HTTP replies: a completion, a failed attempt, or the end of the run."""

import json
import re
from typing import Any, Final

from expllm.chat.address import Address
from expllm.chat.dialects import BROKEN_ENDINGS, CONTEXT_ENDINGS, FILTER_ENDINGS, LENGTH_ENDINGS, REASONING
from expllm.chat.error_response import error_within, read_error
from expllm.chat.event_stream import body_value
from expllm.chat.failures import failure
from expllm.chat.final_text import final_text
from expllm.chat.other_protocols import other_protocol
from expllm.chat.outcomes import Completion, FailedAttempt, TokenLimit
from expllm.chat.protocol import FILTERED, Usage
from expllm.chat.refusals import is_refusal
from expllm.chat.retries import retry_after
from expllm.chat.token_probabilities import answer_tokens, prompt_tokens
from expllm.chat.transport import HttpReply

_MOST_TOKENS: Final = 2**53
_THOUGHT: Final = re.compile(r"think|reason|thought")
_WIDTHLESS: Final = "\ufeff\u200b\u2060"


def parse_reply(
    answer: HttpReply, model: str, address: Address, limit: TokenLimit | None = None
) -> Completion | FailedAttempt:
    """Reads a reply to a request for `model`.

    Raises:
        ChatError: every further request would be answered like this.
    """
    data, limit = body_value(answer.body), limit or TokenLimit()
    if 200 <= answer.status < 300:
        if data is None:
            return _no_json(answer, address)
        data = _taken_out(data)
        said = error_within(data)
        if said is None:
            return _completion(data, model, address, limit)
        error = read_error(said, answer.status)
    else:
        plain = answer.body.decode("utf-8", "replace") if data is None else ""
        error = read_error(data, answer.status, plain)
    return failure(error, model, address, limit, retry_after(answer.headers))


def _completion(data: Any, model: str, address: Address, limit: TokenLimit) -> Completion | FailedAttempt:
    if (blocked := _blocked_prompt(data)) is not None:
        blocked = address.scrub(blocked, 80)
        return Completion("", model, f"{FILTERED}: {blocked}", _usage(data.get("usage")), refused=True)
    try:
        choice = _first_choice(data["choices"])
        message, finish = _message(choice), address.scrub(_finish(choice.get("finish_reason")), 80)
    except (TypeError, KeyError, IndexError, AttributeError):
        return _without_choices(data, address)
    named = data.get("model")
    named = _clean(named) if isinstance(named, str) and named else model
    final = final_text(_clean(_text(message.get("content"))))
    usage = _usage(data.get("usage"))
    if refusal := _refusal(message):
        return Completion(_clean(refusal), named, finish, usage, refused=True)
    if filtered := _filtered(finish, choice, final.text, address):
        return Completion(final.text, named, filtered, usage, refused=True)
    tokens, prompt = answer_tokens(choice), prompt_tokens(data)
    if finish.casefold() not in BROKEN_ENDINGS and (final.text.strip() or prompt):
        refused = is_refusal(final.text)
        return Completion(final.text, named, finish, usage, refused, tokens, prompt)
    reasoned = final.reasoned or any(message.get(name) for name in REASONING)
    return _empty(finish, usage, _reasoning_tokens(data.get("usage"), usage), limit.option, reasoned)


def _first_choice(choices: Any) -> Any:
    """The choice with the number 0: a server may list several in any order."""
    numbered = [one for one in choices if isinstance(one, dict) and one.get("index") == 0]
    return numbered[0] if numbered else choices[0]


def _taken_out(data: Any) -> Any:
    """The completion that some gateways put into a member of their own reply; else `data`."""
    if not isinstance(data, dict) or data.get("choices") or data.get("error"):
        return data
    for name in ("data", "result", "response", "body"):
        inner = data.get(name)
        if isinstance(inner, str):
            inner = body_value(inner.encode("utf-8", "replace"))
        if isinstance(inner, dict) and isinstance(inner.get("choices"), list) and inner["choices"]:
            return {one: data[one] for one in ("model", "usage") if one in data} | inner
    return data


def _without_choices(data: Any, address: Address) -> FailedAttempt:
    """A reply that holds no completion: one in another protocol, an object of another kind, or no object."""
    if not (isinstance(data, dict) and data.get("choices")) and (why := other_protocol(data)):
        return FailedAttempt("other-protocol", why)
    if isinstance(data, dict):
        quoted = address.scrub(json.dumps(data, ensure_ascii=False)[:2000], 100)
        return FailedAttempt("bad-json", f"no choices in {quoted}")
    return FailedAttempt("bad-json", f"not an object but {address.scrub(repr(data)[:200], 100)}")


def _no_json(answer: HttpReply, address: Address) -> FailedAttempt:
    """A body that is neither JSON nor an event stream."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    if not answer.body.strip():
        return FailedAttempt("bad-json", "the body is empty")
    if (packed := answer.headers.get("content-encoding", "").strip().lower()) not in ("", "identity", "gzip"):
        return FailedAttempt(
            "bad-json", f"packed with {address.scrub(packed, 40)}, though the request forbids it"
        )
    said = read_error(None, answer.status, answer.body.decode("utf-8", "replace")).text
    quoted = f'"{address.scrub(said, 100)}"' if said else ""
    if "json" in kind or "event-stream" in kind or not kind:
        return FailedAttempt("bad-json", quoted and f"it begins with {quoted}")
    return FailedAttempt("content-type", kind[:60] + (quoted and f": {quoted}"))


def _blocked_prompt(data: Any) -> str | None:
    """Why a filter stopped the prompt, where a reply says so instead of holding a choice (Gemini, Azure)."""
    if not isinstance(data, dict) or data.get("choices"):
        return None
    for name in ("promptFeedback", "prompt_feedback"):
        feedback = data.get(name)
        reason = (
            feedback.get("blockReason") or feedback.get("block_reason")
            if isinstance(feedback, dict)
            else None
        )
        if isinstance(reason, str):
            return _clean(reason)[:60]
    return _caught(data) or None


def _filtered(finish: str, choice: dict[str, Any], text: str, address: Address) -> str:
    """How a filter ended a reply; empty where none did."""
    if finish.casefold().startswith(FILTER_ENDINGS):
        return finish if finish.casefold().startswith(FILTERED) else f"{FILTERED}: {finish}"
    caught = "" if text.strip() else _caught(choice)
    return caught and f"{FILTERED}: {address.scrub(caught, 80)}"


def _caught(value: Any) -> str:
    """The categories under which Azure's filter caught a prompt or an answer; empty where it caught none."""
    if not isinstance(value, dict):
        return ""
    found = [value.get(name) for name in ("content_filter_results", "content_filter_result")]
    rows = value.get("prompt_filter_results") or value.get("prompt_annotations")
    found += [_caught(row) for row in rows] if isinstance(rows, list) else []
    names = [one for one in found if isinstance(one, str) and one]
    for results in found:
        for name, result in results.items() if isinstance(results, dict) else ():
            if isinstance(result, dict) and result.get("filtered") is True:
                names.append(_clean(str(name))[:20])
    return ", ".join(names)


def _message(choice: dict[str, Any]) -> dict[str, Any]:
    """The message of a choice; an empty one where it has none, as after a filter."""
    for name in ("message", "delta"):
        if choice.get(name) is not None:
            return dict(choice[name].items())
    text = choice.get("text")
    return {"content": text} if isinstance(text, str) else {}


def _finish(value: Any) -> str:
    """Why a reply ended, as the server says it; SGLang has an object with a type."""
    value = value.get("type") if isinstance(value, dict) else value
    return _clean(value)[:200] if isinstance(value, str) and value else "unknown"


def _text(content: Any) -> str:
    """The message: a text, or the texts of its parts, those of reasoning left out."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content] if content.get("type") in ("text", "output_text") else []
    parts = content if isinstance(content, list) else []
    return "".join(text for part in parts if isinstance(text := _text_of_part(part), str))


def _text_of_part(part: Any) -> Any:
    """A part is a text, or an object that has one; that of OpenAI's assistants has one within it."""
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if part.get("thought") is True or (isinstance(kind, str) and _THOUGHT.search(kind)):
        return None
    text = part.get("text")
    return text.get("value") if isinstance(text, dict) else text


def _refusal(message: dict[str, Any]) -> str:
    """What the model said in the place that is kept for refusals."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    said = [message.get("refusal")]
    if isinstance(said[0], dict):
        said = [said[0].get(name) for name in ("message", "reason", "explanation", "text", "category")]
    said += [
        part.get("refusal") for part in parts if isinstance(part, dict) and part.get("type") == "refusal"
    ]
    return next((text for text in said if isinstance(text, str) and text), "")


def _empty(finish: str, usage: Usage, used: int | None, option: str, reasoned: bool) -> FailedAttempt:
    """No answer. Where the tokens were used up before it, the next attempt would meet that as well."""
    if finish.casefold() in BROKEN_ENDINGS:
        return FailedAttempt("broken-off", f"the server ended the reply with {finish[:40]!r}", usage=usage)
    if finish.casefold() in CONTEXT_ENDINGS:
        return FailedAttempt("context-length", f"it ended with {finish[:40]!r}", again=False, usage=usage)
    if finish.casefold() not in LENGTH_ENDINGS:
        said = "reasoning without an answer, ended" if reasoned else "it ended"
        return FailedAttempt("empty", f"{said} with {finish[:40]!r}", usage=usage)
    if used == 0 and not reasoned:
        said = "the prompt left no tokens for an answer"
        return FailedAttempt("context-length", said, again=False, usage=usage)
    count = f"its {used:,} tokens" if used else "its tokens"
    said = f"the model used up {count} thinking, before it answered: raise {option}"
    return FailedAttempt("out-of-tokens", said, again=False, usage=usage)


def _reasoning_tokens(data: Any, usage: Usage) -> int | None:
    """Tokens of a reply that holds no answer; Gemini counts reasoning in the total only."""
    total = _tokens(data.get("total_tokens")) if isinstance(data, dict) else None
    if not usage.completion_tokens and total is not None and usage.prompt_tokens is not None:
        return max(0, total - usage.prompt_tokens)
    return usage.completion_tokens


def _clean(text: str) -> str:
    """`text` with U+FFFD for half a surrogate pair, which JSON may hold and no file.

    Marks of no width at its ends, which nobody sees, are left out.
    """
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip(_WIDTHLESS)


def _usage(data: Any) -> Usage:
    if not isinstance(data, dict):
        return Usage(None, None)
    asked = data.get("prompt_tokens", data.get("input_tokens"))
    return Usage(_tokens(asked), _tokens(data.get("completion_tokens", data.get("output_tokens"))))


def _tokens(value: Any) -> int | None:
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS
    return value if known else None
