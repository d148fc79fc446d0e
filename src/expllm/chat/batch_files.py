"""Lines of the Batch API's files: questions in, answers out, one JSON object a line.

The format is OpenAI's (https://platform.openai.com/docs/guides/batch); other servers follow it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from expllm.chat.transport import HttpReply, TransportError

MOST_LINES: Final = 50_000
"""Questions of one file, at most."""
MOST_BYTES: Final = 190_000_000
"""Bytes of one file, at most: a little below the server's 200 MB."""
BATCH_ENDPOINT: Final = "/v1/chat/completions"

BatchAnswerLine = HttpReply | TransportError


def question_line(key: str, body: bytes) -> bytes:
    """A question as a line.

    Args:
        key: Names it; the answer carries the same name. Answers come in any order.
        body: The request as it would be posted.
    """
    head = f'{{"custom_id":"{key}","method":"POST","url":"{BATCH_ENDPOINT}","body":'
    return head.encode() + body + b"}\n"


def question_files(
    questions: Mapping[str, bytes], most_lines: int = MOST_LINES
) -> Iterator[dict[str, bytes]]:
    """Parts of the questions, none larger than a file may be."""
    part: dict[str, bytes] = {}
    size = 0
    for key, body in questions.items():
        length = len(body) + 200  # the frame of a line has less
        if part and (len(part) >= most_lines or size + length > MOST_BYTES):
            yield part
            part, size = {}, 0
        part[key] = body
        size += length
    if part:
        yield part


def answers(content: bytes) -> Iterator[tuple[str, BatchAnswerLine]]:
    """The answers of an output or error file, each with the name of its question.

    A line that is none is passed over: its question then counts as one without an answer.
    """
    for line in content.splitlines():
        try:
            row = json.loads(line)
            key = row["custom_id"]
            if isinstance(key, str):
                yield key, _answer(row)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue


def _answer(row: Mapping[str, Any]) -> BatchAnswerLine:
    response, error = row.get("response"), row.get("error")
    if response and response.get("body") is not None:
        body = response["body"]
        text = body if isinstance(body, str) else json.dumps(body)
        return HttpReply(int(response.get("status_code") or 200), {}, text.encode())
    if error and error.get("code") == "batch_expired":
        return TransportError("expired", "the batch was not finished in its time")
    status = int(response.get("status_code") or 500) if response else 500
    return HttpReply(status, {}, json.dumps({"error": error or {"message": "no answer"}}).encode())
