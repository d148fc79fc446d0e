"""Replies of many kinds of servers, and what must come of each.

Errors stand in `error_replies.json`. The values are our own, the shapes are those of the servers;
`../shared/cases/replies.json` holds further ones.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chatserver import Canned

STREAM: Final = "text/event-stream; charset=utf-8"
ANSWER: Final = "answer"
FILTERED: Final = "filtered"
"""A filter at the server: a refusal of this question, after one request."""
AGAIN: Final = ", again"
"""Behind the reason of a failure: another attempt may do better."""
PROBED: Final = ", probed"
"""Behind an error that stops the run: a harmless question was refused, too."""


@dataclass(frozen=True)
class Case:
    """A reply, and what must come of it.

    Attributes:
        expect: `answer`, `filtered`, the reason of a failed call, or the error that stops the run.
        words: The answer, or what its line quotes.
        options: Of the client.
    """

    name: str
    reply: Canned
    expect: str = ANSWER
    words: tuple[str, ...] = ("Happiness",)
    options: dict[str, Any] = field(default_factory=dict)


def completion(content: Any, finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    """A completion as OpenAI sends it."""
    told = {"role": "assistant", "content": content} | message
    choice = {"index": 0, "message": told, "finish_reason": finish, "logprobs": None}
    usage = {"prompt_tokens": 41, "completion_tokens": 23, "total_tokens": 64}
    return {"id": "x-1", "object": "chat.completion", "model": "m-1", "choices": [choice], "usage": usage}


def canned(body: Any, status: int = 200, kind: str = "application/json") -> Canned:
    """A reply; JSON values are written as JSON."""
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    return Canned(body, status, kind)


def stream(*events: Any, end: str = "\n\n", done: bool = True) -> str:
    """An event stream of JSON values, or of lines as they are."""
    lines = [event if isinstance(event, str) else f"data: {json.dumps(event)}" for event in events]
    return end.join([*lines, "data: [DONE]"] if done else lines) + end


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """A piece of a completion in a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "model": "m-1", "choices": [choice]}


TEXT: Final = "**Key Observations:** The brows are lowered.\n\n**Conclusion:** The face shows anger."
STOPS: Final = (
    "</s>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|endoftext|>", " [/INST]", "<|return|>", "<|end|>",
    "<｜end▁of▁sentence｜>", "</s></s>", "<|im_end|>\n", "<|eot_id|>\n<|endoftext|>",
    "<|im_end|>\n<|im_start|>user\nAnd now?", "<|endoftext|>Human: And now?",
    "[|endofturn|]", "[e~[", "<EOS>", "<eos>", "<eot>", "<eod>", "<pad>", "<end_of_utterance>",
    "<extra_id_1>", "<SPECIAL_12>", "[EOS]", "<|END_OF_TURN_TOKEN|>", "</assistant>",
    "[|endofturn|]\n[|user|]And now?", "[e~[]~b]user\nAnd now?", "<end_of_utterance>\nUser: And now?",
)  # fmt: skip
START: Final = "<|start|>assistant"
REASONED: Final = {
    "think": "<think>\nFear? Hardly.\n</think>\n\nHappiness",
    "think-empty": "<think>\n\n</think>\n\nHappiness",
    "thinking": "<thinking>Fear?\n\nHardly.</thinking>\nHappiness",
    "reasoning": "<reasoning>Fear? Hardly.</reasoning>Happiness",
    "thought": "<thought>Fear? Hardly.</thought>Happiness",
    "upper-case": "<THINK>Fear?</THINK>Happiness",
    "kimi": "◁think▷Fear? Hardly.◁/think▷Happiness",
    "magistral": "[THINK]Fear? Hardly.[/THINK]Happiness",
    "openthinker": "<|begin_of_thought|>Fear?<|end_of_thought|>"
    "<|begin_of_solution|>Happiness<|end_of_solution|>",
    "command": "<|START_THINKING|>Fear?<|END_THINKING|><|START_RESPONSE|>Happiness<|END_RESPONSE|>",
    "closing-only": "Fear? Hardly.\n</think>\n\nHappiness",
    "closing-only-in-line": "Fear? Hardly.</think>Happiness",
    "closing-behind-a-word": "So it is happiness</think>Happiness",
    "closing-first": "</think>\n\nHappiness",
    "twice": "<think>a</think>\n<think>b</think>\nHappiness",
    "nested": "<think>a <think>b</think> c.\n</think>\nHappiness",
    "answer-tag": "<think>Fear?</think><answer>Happiness</answer>",
    "box": "<think>Fear?</think>\n<|begin_of_box|>Happiness<|end_of_box|>",
    "channels": f"<|channel|>analysis<|message|>Hm.<|end|>{START}<|channel|>final<|message|>Happiness",
    "channels-return": "<|channel|>final<|message|>Happiness<|return|>",
    "channels-commentary": "<|channel|>commentary<|message|>Well.<|end|>"
    f"{START}<|channel|>final <|constrain|>text<|message|>Happiness<|end|>",
    "channels-without-tokens": "analysisWe look at the mouth.assistantfinalHappiness",
    "reflection": "<reflection>Fear?</reflection>Happiness",
    "deepseek-tokens": "<｜begin▁of▁thinking｜>Fear? Hardly.<｜end▁of▁thinking｜>Happiness",
    "deepseek-ascii": "<|begin▁of▁thinking|>Fear? Hardly.<|end▁of▁thinking|>Happiness",
    "minicpm": "<|thought_start|>Fear?<|thought_end|>\nHappiness",
    "token-name": "<|think|>Fear?<|/think|>Happiness",
    "apertus": "<|inner_prefix|>Fear?<|inner_suffix|>Happiness",
    "named-space": "<x:thinking>Fear?</x:thinking>Happiness",
    "chain": "<chain_of_thought>Fear?</chain_of_thought>\n<answer>Happiness</answer>",
    "steps": "<reasoning_steps>\n1. Fear?\n</reasoning_steps>\n\nHappiness",
    "analysis": "<analysis>\nFear? Hardly.\n</analysis>\n\nHappiness",
    "rationale": "<rationale>Fear?</rationale><response>Happiness</response>",
    "brackets": "[reasoning]Fear?[/reasoning]\nHappiness",
    "details": '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds'
    "</summary>\n> Fear?\n</details>\nHappiness",
    "details-summary": "<details>\n<summary>Thinking</summary>\n\nFear?\n\n</details>\n\nHappiness",
    "fence-thinking": "```thinking\nFear? Hardly.\n```\n\nHappiness",
    "fence-reasoning": "~~~reasoning\nFear? Hardly.\n~~~\nHappiness",
    "granite": "Here is my thought process:\nFear? Hardly.\n\nHere is my response:\nHappiness",
    "granite-short": "Here's my thinking: Fear?\nHere's my answer: Happiness",
    "ollama-terminal": "Thinking...\nFear? Hardly.\n...done thinking.\n\nHappiness",
    "exaone": "[|assistant|]<thought>\nFear?\n</thought>\n\nHappiness[|endofturn|]",
    "minimax-tokens": "]~b]ai\n<think>Fear?</think>\nHappiness[e~[",
    "own-turn": "<|im_start|>assistant\nHappiness<|im_end|>",
}
SAME: Final = (
    "The tag <think> opens a block.", "He wrote <think> and </think> around it.", "A `</think>` ends it.",
    "The mark </think> ends a block.", "The <s>sad</s> face smiles.", "A `<|im_end|>` ends it.",
    "Two ``` in a line ``` are no fence.", " Joy. ", "a <|channel|> b",
    f"{TEXT}\n\n```\ncode\n```\n\n{TEXT}", "[Analysis] The brows are lowered.", "Thinking... about joy.",
    "<analysis>The brows are lowered.</analysis>", "Here is my thought process: the brows are lowered.",
    "<details><summary>Brows</summary>They are lowered.</details>", "See [reasoning] and [/reasoning] there.",
)  # fmt: skip
"""Texts that stay as they are."""
FENCED: Final = {
    "plain": f"```\n{TEXT}\n```",
    "language": f"```markdown\n{TEXT}\n```\n",
    "waves": f"~~~text\n{TEXT}\n~~~",
    "open": f"```\n{TEXT}",
    "preface": f"Here is the refined text:\n\n```\n{TEXT}\n```",
    "reasoned": f"<think>Fear?</think>\n```markdown\n{TEXT}\n```<|im_end|>",
}


def answers() -> Iterator[Case]:
    """Replies that hold an answer."""
    for name, written in REASONED.items():
        yield Case(name, canned(completion(written)))
    for name, written in FENCED.items():
        yield Case(f"fence-{name}", canned(completion(written)), words=(TEXT,))
    yield Case("fence-short", canned(completion("The answer is:\n\n```\nHappiness\n```")))
    for token in STOPS:
        yield Case(f"stop {token!r}", canned(completion(f"Happiness{token}")))
    for text in SAME:
        yield Case(f"same {text[:20]!r}", canned(completion(text)), words=(text,))
    for name in ("reasoning", "reasoning_content", "thinking"):
        yield Case(f"field-{name}", canned(completion("Happiness", **{name: "Fear?"})))
    told = {"type": "text", "text": "Happiness"}
    for name, parts in {
        "thinking": [{"type": "thinking", "thinking": [{"type": "text", "text": "Fear?"}]}, told],
        "thinking-text": [{"type": "thinking", "text": "Fear?"}, told],
        "reasoning": [{"type": "reasoning", "text": "Fear?"}, told],
        "reasoning-text": [{"type": "reasoning_text", "text": "Fear?"}, told],
        "thought": [{"text": "Fear?", "thought": True}, {"text": "Happiness"}],
        "texts-alone": ["Happi", None, "ness"],
        "value": [{"type": "text", "text": {"value": "Happiness", "annotations": []}}],
        "output-text": [{"type": "output_text", "text": "Happi"}, {"type": "output_text", "text": "ness"}],
    }.items():
        yield Case(f"part-{name}", canned(completion(parts)))
    other = completion("Fear")["choices"][0] | {"index": 1}
    two = completion("Happiness") | {"choices": [other, *completion("Happiness")["choices"]]}
    yield Case("choices-in-any-order", canned(two))
    yield Case("marks-of-no-width", canned(completion("\u200bHappiness\ufeff")))
    yield from bodies(completion("Happiness"))
    yield from streams(completion("Happiness"))


def bodies(whole: dict[str, Any]) -> Iterator[Case]:
    """One completion in many bodies."""
    written = json.dumps(whole)
    yield Case("text-plain", canned(whole, kind="text/plain; charset=utf-8"))
    yield Case("octets", canned(whole, kind="application/octet-stream"))
    yield Case("byte-order-mark", canned(b"\xef\xbb\xbf" + written.encode()))
    broken = json.dumps(completion("Happi~ness")).encode().replace(b"~", b"\xff")
    yield Case("invalid-utf-8", canned(broken), words=("Happi\ufffdness",))
    yield Case("nan-usage", canned(written.replace("41", "NaN").replace("23", "Infinity")))
    yield Case("utf-16", canned(written.encode("utf-16")))
    yield Case("packed-twice", canned(json.dumps(written)))
    yield Case(
        "line-breaks-in-text", canned(written.replace("Happiness", "Joy.\nJoy.")), words=("Joy.\nJoy.",)
    )
    for name in ("data", "result"):
        yield Case(f"within-{name}", canned({"code": 0, "msg": "success", name: whole}))
    yield Case("within-body", canned({"statusCode": 200, "body": written}))
    yield Case("error-null", canned(whole | {"error": None}))
    yield Case("error-of-nothing", canned(whole | {"error": {"code": None, "message": ""}}))
    yield Case("legacy-text", canned(whole | {"choices": [{"text": "Happiness", "finish_reason": "stop"}]}))
    yield Case("keep-alive-lines", canned(f"\n\n   \n{written}"))
    yield Case("keep-alive-comments", canned(f": PROCESSING\n\n: PROCESSING\n\n{written}"))


def streams(whole: dict[str, Any]) -> Iterator[Case]:
    """Answers in event streams, though none was asked for."""
    pieces = [
        chunk(role="assistant", content=""),
        chunk(content="Happi"),
        chunk(content="ness"),
        chunk("stop"),
    ]
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    comment = ": OPENROUTER PROCESSING"
    thinking = [chunk(content="<thi"), chunk(content="nk>Fear?</th"), chunk(content="ink>")]
    for name, body in {
        "whole": f"{json.dumps(whole)}\ndata: [DONE]\n\n",
        "whole-pretty": f"{json.dumps(whole, indent=1)}\n\ndata: [DONE]\n\n",
        "whole-data": stream(whole),
        "chunks": stream(*pieces, usage),
        "crlf": stream(*pieces, usage, end="\r\n\r\n"),
        "one-line-each": stream(*pieces, end="\n"),
        "no-blank": stream(*pieces).replace("data: ", "data:"),
        "comments": stream(comment, pieces[0], comment, *pieces[1:], usage),
        "named-events": stream(*(f"event: message\nid: 7\ndata: {json.dumps(piece)}" for piece in pieces)),
        "no-done": stream(*pieces, done=False),
        "reasoning": stream(chunk(reasoning_content="Fear?"), chunk(reasoning="No."), *pieces),
        "block-over-chunks": stream(*thinking, *pieces),
        "message-at-end": stream(
            chunk(role="assistant"), {"choices": [{"message": {"content": "Happiness"}}]}
        ),
    }.items():
        yield Case(f"stream-{name}", canned(body, kind=STREAM))
    yield Case("stream-as-json", canned(stream(*pieces)))
    separated = stream(chunk(content="A\u2028B"), chunk("stop")).replace("\\u2028", "\u2028")
    yield Case("stream-u2028", canned(separated, kind=STREAM), words=("A\u2028B",))


def endings() -> Iterator[Case]:
    """Replies that a filter ended, and those that the limit of tokens left without an answer."""
    for finish in (
        "content_filter",
        "content_filter: RECITATION",
        "SAFETY",
        "PROHIBITED_CONTENT",
        "sensitive",
        "blocked",
        "moderation",
        "ERROR_TOXIC",
    ):
        yield Case(f"finish-{finish}", canned(completion("", finish)), FILTERED, ())
        bare = {"choices": [{"index": 0, "finish_reason": finish}]}
        yield Case(f"finish-{finish}-no-message", canned(bare), FILTERED, ())
    nothing = {"choices": [{"message": None, "finish_reason": "content_filter"}]}
    caught = {"content_filter_results": {"hate": {"filtered": True}, "violence": {"filtered": False}}}
    prompt = {"choices": [], "prompt_filter_results": [{"prompt_index": 0, **caught}]}
    yield Case("azure-prompt-200", canned(prompt), FILTERED, ())
    choice = completion("")["choices"][0] | caught
    yield Case("azure-answer-200", canned({"choices": [choice]}), FILTERED, ())
    refused = completion(None, refusal={"reason": "against the rules"})
    yield Case("refusal-object", canned(refused), "refused", ("against the rules",))
    ended = completion("", "model_context_window_exceeded")
    yield Case("finish-context", canned(ended), "context-length", ("context_window",))
    yield Case("finish-timeout", canned(completion("Hap", "timeout")), f"broken-off{AGAIN}", ("timeout",))
    yield Case("finish-null-message", canned(nothing), FILTERED, ())
    yield Case("feedback", canned({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), FILTERED, ())
    filtered = stream(chunk(role="assistant"), chunk("content_filter"))
    yield Case("stream-filter", canned(filtered, kind=STREAM), FILTERED, ())
    words = ("its 23 tokens thinking", "--max-new-tokens")
    for name, reply in {
        "null": completion(None, "length", reasoning_content="Well, the mouth"),
        "reasoning": completion("", "length", reasoning="Well, the mouth"),
        "hidden": completion("", "length"),
        "unclosed": completion("<think>\nWell, the mouth", "length"),
        "unclosed-fence": completion("```thinking\nWell, the mouth", "length"),
        "unclosed-details": completion('<details type="reasoning" done="false">\n> Well', "length"),
        "channel": completion("<|channel|>analysis<|message|>Well, the mouth", "length"),
        "other-name": completion("", "MAX_TOKENS"),
        "further-name": completion("", "max_length"),
    }.items():
        yield Case(f"length-{name}", canned(reply), "out-of-tokens", words)
    thinking = stream(chunk(reasoning="Well, the mouth"), chunk("length"))
    yield Case("length-stream", canned(thinking, kind=STREAM), "out-of-tokens", words[1:])
    counted = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 1034}
    total = completion(None, "length") | {"usage": counted}
    yield Case("length-in-total", canned(total), "out-of-tokens", ("its 1,024 tokens",))
    full = completion("", "length") | {"usage": counted | {"total_tokens": 10}}
    yield Case("context-full", canned(full), "context-length", ("no tokens",))


def troubles() -> Iterator[Case]:
    """Bodies of which nothing can be read."""
    gone = {"error": {"code": 502, "message": "Upstream gone"}}
    broken = stream(chunk(content="Hap"), gone)
    yield Case("error-in-stream", canned(broken, kind=STREAM), f"http-502{AGAIN}", ("Upstream gone",))
    named = stream(chunk(content="Hap"), 'event: error\ndata: {"message": "Upstream gone", "code": 500}')
    yield Case("error-event", canned(named, kind=STREAM), f"http-500{AGAIN}", ("Upstream gone",))
    cut = stream(chunk(content="Hap"), done=False)
    yield Case("cut-stream", canned(cut, kind=STREAM), f"bad-json{AGAIN}", ("it begins with",))
    yield Case("empty-body", canned(b""), f"bad-json{AGAIN}", ("body is empty",))
    packed = Canned(zlib.compress(b"{}"), headers={"Content-Encoding": "deflate"})
    yield Case("packed", packed, f"bad-json{AGAIN}", ("packed with deflate", "forbids"))
    for name, value, words in (
        ("null", None, "null"),
        ("true", True, "not an object but True"),
        ("list", [completion("Fear")], "not an object but [{'id'"),
        ("nothing", {}, "no choices in {}"),
        ("unknown", {"verdict": "Fear"}, 'no choices in {"verdict": "Fear"}'),
        ("choices-null", {"id": "x", "choices": None}, 'no choices in {"id": "x", "choices": null}'),
        ("choices-empty", {"choices": [], "hint": "Fear"}, '"hint": "Fear"'),
        ("choices-object", {"choices": {"0": {}}}, "no choices"),
        ("choices-text", {"choices": "Fear"}, "no choices"),
    ):
        yield Case(f"other-{name}", canned(json.dumps(value)), f"bad-json{AGAIN}", (words,))
    long = {"error": {"message": "x" * 100_000, "code": 502}}
    yield Case("error-of-one-word", canned(long), f"http-502{AGAIN}", ("xxxxxxxxxx",))
    called = completion(None, "tool_calls", tool_calls=[{"id": "c", "type": "function"}])
    yield Case("tool-call", canned(called), f"empty{AGAIN}", ("tool_calls",))
    yield Case("no-json", canned(b'{"choices": [{"mess'), f"bad-json{AGAIN}", ("choices",))
    only = completion(None, "stop", reasoning="Well")
    yield Case("reasoning-only", canned(only), f"empty{AGAIN}", ("reasoning without an answer",))


TURN: Final = {"role": "assistant", "content": "Fear"}
TEXTS: Final = [{"type": "text", "text": "Fear"}]
OTHER_PROTOCOLS: Final[tuple[tuple[str, Any, str], ...]] = (
    ("ollama", {"model": "m", "message": TURN, "done": True}, "Ollama's own"),
    ("ollama-generate", {"model": "m", "response": "Fear", "done": True}, "Ollama's own"),
    ("gemini", {"candidates": [{"content": {"parts": [{"text": "Fear"}]}}]}, "ends with /v1beta/openai"),
    ("gemini-stream", [{"candidates": []}], "Gemini's own"),
    ("anthropic", {"type": "message", "content": TEXTS, "stop_reason": "end_turn"}, "Anthropic's own"),
    ("responses", {"object": "response", "output": [{"content": TEXTS}]}, "the Responses API"),
    ("cohere", {"message": {"role": "assistant", "content": TEXTS}}, "/compatibility/v1"),
    ("bedrock", {"output": {"message": TURN}, "stopReason": "end_turn"}, "Bedrock's own"),
    ("dashscope", {"output": {"text": "Fear", "finish_reason": "stop"}}, "/compatible-mode/v1"),
    ("tencent", {"Response": {"Choices": [{"Message": {"Content": "Fear"}}]}}, "Tencent's own"),
    ("cloudflare", {"result": {"response": "Fear"}, "success": True, "errors": []}, "Cloudflare's own"),
    ("tgi", [{"generated_text": "Fear"}], "Text Generation Inference's own"),
    ("llama.cpp", {"content": "Fear", "stop": True}, "llama.cpp's own"),
    ("ollama-lines", json.dumps({"message": TURN, "done": False}) + '\n{"done": true}\n', "Ollama's own"),
    ("anthropic-events", stream({"type": "message_start", "message": TURN}, done=False), "Anthropic's own"),
    ("responses-events", stream({"type": "response.created", "response": {}}, done=False), "Responses API"),
)
"""Replies that are no completions: the address is not that of OpenAI's protocol."""


def protocols() -> Iterator[Case]:
    """What other doors of the same servers reply."""
    for name, body, words in OTHER_PROTOCOLS:
        yield Case(f"protocol-{name}", canned(body), "Unreachable", (words, "--base-url"))


def errors() -> Iterator[Case]:
    """Errors of servers, proxies and gateways."""
    for row in json.loads(Path(__file__).with_name("error_replies.json").read_text("utf-8")):
        reply = canned(row["body"], row["status"], row.get("content_type", "application/json"))
        yield Case(row["name"], reply, row["expect"], tuple(row["words"]), row.get("options", {}))


CASES: Final = [*answers(), *endings(), *troubles(), *protocols(), *errors()]
