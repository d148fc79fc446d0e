"""An OpenAI-style server that runs a merged folder by plain `transformers`: no code of ExpLLM takes part.

In a test: `with model_server(folder) as server: ... server.url`. In a process of its own:
`python tests/modelserver.py FOLDER --offers logprobs` prints its port.
"""

import argparse
import base64
import hashlib
import io
import json
import threading
from collections import OrderedDict
from contextlib import AbstractContextManager
from copy import deepcopy
from http.server import ThreadingHTTPServer
from typing import Any

import torch
from loopback import JsonHandler, root, running
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

PROBABILITIES = ("prompt_logprobs", "logprobs", "top_logprobs")
KEPT = 64
"""Prompts that are kept as they were read, so that what follows them is read alone."""


class Engine:
    """The model: prompts in, likeliest tokens out.

    Args:
        offers: Of `PROBABILITIES`; `logprobs` stands for `top_logprobs` too.
        refuses: What is not offered is refused with status 400, and else ignored.
        likeliest: How many tokens are told of a place, whatever is asked for; None: as many as that.
    """

    def __init__(
        self, folder: str, offers: tuple[str, ...], refuses: bool, likeliest: int | None = None
    ) -> None:
        self.folder, self.offers, self.refuses, self.likeliest = folder, offers, refuses, likeliest
        self.model = AutoModelForImageTextToText.from_pretrained(
            folder, trust_remote_code=True, dtype=torch.float32
        )
        self.processor = AutoProcessor.from_pretrained(folder)
        self.seen: list[dict[str, Any]] = []
        self._read: OrderedDict[str, tuple[list[int], list[float], torch.Tensor, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def reply(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.seen.append(request)
        unknown = [
            name
            for name in PROBABILITIES
            if name in request and name.removeprefix("top_") not in self.offers and name not in self.offers
        ]
        if unknown and self.refuses:
            said = f"Unrecognized request argument supplied: {unknown[0]}"
            return 400, {"error": {"message": said, "type": "invalid_request_error"}}
        if request["model"] != self.folder:
            said = f"The model `{request['model']}` does not exist."
            return 404, {"error": {"message": said, "type": "NotFoundError", "code": 404}}
        with self._lock, torch.inference_mode():
            return 200, self._completion(request, {*PROBABILITIES} - {*unknown})

    def _completion(self, request: dict[str, Any], offered: set[str]) -> dict[str, Any]:
        messages = [_plain(message) for message in request["messages"]]
        ids, logs, following, cache = self._prompt(messages)
        tokens, told = self._written(following, cache, request.get("max_tokens") or 256)
        end = self.processor.tokenizer.eos_token_id
        text = self.processor.tokenizer.decode([one for one in tokens if one != end])
        if messages[-1]["role"] == "assistant":  # a model that was taught has nothing to add to its answer
            text, tokens = "", [end]
        choice: dict[str, Any] = {
            "index": 0, "message": {"role": "assistant", "content": text},
            "finish_reason": "stop" if tokens and tokens[-1] == end else "length",
        }  # fmt: skip
        if request.get("logprobs") and "logprobs" in offered:
            choice["logprobs"] = {
                "content": [
                    self._likeliest(one, row, self.likeliest or request["top_logprobs"]) for one, row in told
                ]
            }
        found: dict[str, Any] = {
            "object": "chat.completion", "model": self.folder, "choices": [choice],
            "usage": {"prompt_tokens": len(ids), "completion_tokens": len(tokens)},
        }  # fmt: skip
        if "prompt_logprobs" in request and "prompt_logprobs" in offered:
            decode = self.processor.tokenizer.decode
            pairs = zip(ids[1:], logs, strict=True)
            rows = [{str(one): {"logprob": log, "decoded_token": decode([one])}} for one, log in pairs]
            found["prompt_logprobs"] = [None, *rows]
        return found

    def _prompt(self, messages: list[dict[str, Any]]) -> tuple[list[int], list[float], torch.Tensor, Any]:
        """Ids, the logarithm of each but the first, logits of what follows, and what was read."""
        given = self.processor.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True
        )
        if messages[-1]["role"] != "assistant":
            return self._prefilled(given)
        ids = given["input_ids"][0].tolist()
        begun, logs, following, cache = self._prompt(messages[:-1])
        assert ids[: len(begun)] == begun
        rest = torch.tensor([ids[len(begun) :]])
        found = self.model(input_ids=rest, past_key_values=deepcopy(cache), use_cache=True)
        rows = torch.cat([following[None], found.logits[0]]).log_softmax(-1)
        new = [float(rows[place, one]) for place, one in enumerate(rest[0].tolist())]
        return ids, [*logs, *new], found.logits[0, -1], found.past_key_values

    def _prefilled(self, given: Any) -> tuple[list[int], list[float], torch.Tensor, Any]:
        key = hashlib.sha256(given["input_ids"].numpy().tobytes() + given["pixel_values"].numpy().tobytes())
        if key.hexdigest() not in self._read:
            found = self.model(**given, use_cache=True)
            ids = given["input_ids"][0].tolist()
            rows = found.logits[0].log_softmax(-1)
            logs = [float(rows[place, one]) for place, one in enumerate(ids[1:])]
            self._read[key.hexdigest()] = ids, logs, found.logits[0, -1].clone(), found.past_key_values
            if len(self._read) > KEPT:
                self._read.popitem(last=False)
        return self._read[key.hexdigest()]

    def _written(self, following: torch.Tensor, cache: Any, most: int) -> tuple[list[int], list[Any]]:
        tokens: list[int] = []
        told: list[Any] = []
        cache = deepcopy(cache)
        while len(tokens) < most:
            tokens.append(int(following.argmax()))
            told.append((tokens[-1], following.log_softmax(-1)))
            if tokens[-1] == self.processor.tokenizer.eos_token_id or len(tokens) == most:
                break
            found = self.model(input_ids=torch.tensor([tokens[-1:]]), past_key_values=cache, use_cache=True)
            following = found.logits[0, -1]
        return tokens, told

    def _likeliest(self, token: int, row: torch.Tensor, count: int) -> dict[str, Any]:
        decode = self.processor.tokenizer.decode
        others = [
            {"token": decode([int(one)]), "logprob": float(row[one])} for one in row.topk(count).indices
        ]
        return {"token": decode([token]), "logprob": float(row[token]), "top_logprobs": others}


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """A message of OpenAI's protocol as one of a processor."""
    content = message["content"]
    if isinstance(content, str):
        return {"role": message["role"], "content": [{"type": "text", "text": content}]}
    parts = []
    for part in content:
        if part["type"] == "image_url":
            data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
            parts.append({"type": "image", "image": Image.open(io.BytesIO(data)).convert("RGB")})
        else:
            parts.append(part)
    return {"role": message["role"], "content": parts}


class ModelServer(ThreadingHTTPServer):
    """The server; `engine.seen` holds what it was asked."""

    def __init__(self, engine: Engine, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.engine = engine

    @property
    def url(self) -> str:
        return f"{root(self)}/v1"


class _Handler(JsonHandler):
    server: ModelServer

    def do_GET(self) -> None:  # noqa: N802
        folder = self.server.engine.folder
        listed = {"object": "list", "data": [{"id": folder, "object": "model", "root": folder}]}
        self.answer(200, listed) if self.path == "/v1/models" else self.answer(404, {})

    def do_POST(self) -> None:  # noqa: N802
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(*self.server.engine.reply(request))


def model_server(
    folder: str,
    *,
    offers: tuple[str, ...] = PROBABILITIES,
    refuses: bool = False,
    likeliest: int | None = None,
) -> AbstractContextManager[ModelServer]:
    """The server, on a thread; see `Engine`."""
    return running(ModelServer(Engine(folder, offers, refuses, likeliest)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--offers", nargs="*", default=PROBABILITIES)
    parser.add_argument("--refuses", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with ModelServer(Engine(options.folder, tuple(options.offers), options.refuses), options.port) as own:
        print(own.url, flush=True)  # noqa: T201
        own.serve_forever()
