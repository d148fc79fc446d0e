"""OpenAI's chat replies, whole and in pieces, with the analysis as a further field `expllm`."""

import json
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from expllm.core.records import FaceAnalysis
from expllm.server.chat_requests import ChatRequest

_SENTENCE: Final = re.compile(r"[.!?]\**\s+|\n+")
_DONE: Final = "data: [DONE]\n\n"
_UNCERTAIN: Final = "uncertain"


class ChatReply:
    """The reply to one request.

    Args:
        request: The request.
    """

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": request.model,
        }
        self._words = 0

    def whole(self, text: str, faces: Sequence[FaceAnalysis]) -> dict[str, Any]:
        """The reply in one piece.

        Args:
            text: What is said of the largest face.
            faces: All that were found, the largest first.
        """
        self._words += len(text.split())
        choice = {
            "index": 0, "message": {"role": "assistant", "content": text, "refusal": None}, "logprobs": None,
            "finish_reason": "stop",
        }  # fmt: skip
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage,
                **self._further(faces)}  # fmt: skip

    def piece(self, text: str) -> str:
        """An event with a piece of the text."""
        delta = {"content": text} if self._words else {"role": "assistant", "content": text}
        self._words += len(text.split())
        return self._event([_choice(delta, None)])

    def end(self, faces: Sequence[FaceAnalysis]) -> str:
        """The last events: why it ends, with the analysis; what was used, if that was asked for."""
        text = self._event([_choice({}, "stop")], **self._further(faces))
        options = self._request.stream_options
        if options is not None and options.include_usage:
            text += self._event([], usage=self._usage)
        return text + _DONE

    @property
    def _usage(self) -> dict[str, int]:
        """Words, not tokens: rules have none, and clients want to know how long a text is."""
        prompt = self._request.words
        return {
            "prompt_tokens": prompt,
            "completion_tokens": self._words,
            "total_tokens": prompt + self._words,
        }

    def _further(self, faces: Sequence[FaceAnalysis]) -> dict[str, Any]:
        others = [one.to_dict() for one in faces[1:]]
        ignored = self._request.ignored
        warnings = [f"Ignored: {', '.join(ignored)}."] if ignored else []
        return {"expllm": {**faces[0].to_dict(), "others": others}, "warnings": warnings}

    def _event(self, choices: list[dict[str, Any]], **further: Any) -> str:
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": choices, **further}
        return f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n"


def error_event(content: dict[str, Any]) -> str:
    """An error in the middle of a stream, as OpenAI's clients raise it."""
    return f"data: {json.dumps(content)}\n\n"


def _choice(delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


class Sentences:
    """Cuts a text that comes in pieces into sentences, with nothing lost: together they are the text."""

    def __init__(self) -> None:
        self._kept = ""

    def feed(self, piece: str) -> Iterator[str]:
        """The sentences that are whole now, each with the white space behind it."""
        self._kept += piece
        while (end := _SENTENCE.search(self._kept)) and end.end() < len(self._kept):
            yield self._kept[: end.end()]
            self._kept = self._kept[end.end() :]

    def rest(self) -> Iterator[str]:
        """What is left at the end."""
        if self._kept:
            yield self._kept
        self._kept = ""


def said_of(face: FaceAnalysis, *, only_label: bool) -> str | None:
    """What is said of a face, as a text; None if there is nothing, not even a reason."""
    if only_label and (face.expression is not None or face.uncertain):
        return face.expression.value if face.expression is not None else _UNCERTAIN
    if face.cot is not None:
        return face.cot.text
    if face.explanation is not None and face.explanation.text:
        return face.explanation.text
    return " ".join(face.warnings) or None
