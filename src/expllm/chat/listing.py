"""Models that a server lists (`GET /models`)."""

from expllm.chat.event_stream import body_value
from expllm.chat.transport import HttpReply


def listed_models(answer: HttpReply) -> tuple[tuple[str, str], ...]:
    """The id of each model, and what it says that it comes from (vLLM: the folder), or nothing.

    >>> listed_models(Answer(200, {}, b'{"data": [{"id": "m", "root": "/models/m"}]}'))
    (('m', '/models/m'),)
    >>> listed_models(Answer(404, {}, b"Not Found"))
    ()
    """
    data = body_value(answer.body) if 200 <= answer.status < 300 else None
    rows = data.get("data") if isinstance(data, dict) else None
    found = []
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("id"), str):
            root = row.get("root")
            found.append((row["id"], root if isinstance(root, str) else ""))
    return tuple(found)
