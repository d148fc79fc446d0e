"""The answer within what a model wrote: without reasoning, tokens of its template, and fences.

Only what frames an answer is cut off. A text that speaks of `<think>` within a sentence stays as it is.
"""

import re
from dataclasses import dataclass
from typing import Final

_NAMED: Final = (
    r"(?:[a-z]{1,12}[:_-])?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion|ing)?|scratch[_-]?pad"
    r"|(?:inner|internal)[_-](?:monologue|thoughts?)|chain[_-]of[_-]thought|cot)"
    r"(?:[_-](?:process|block|content|steps?|trace|text))?"
)
"""What reasoning is called, whatever stands around the name."""
_MAYBE_NAMED: Final = (
    rf"{_NAMED}|analysis|rationale|deliberation|brainstorm(?:ing)?|plan(?:ning)?|considerations"
    r"|self[_-](?:critique|check|reflection)"
)
"""What may be reasoning before an answer, and the answer itself where nothing stands behind it."""
_OF: Final = r"[_▁](?:of[_▁])?"
_BLOCKS: Final = (
    (rf"<\s*(?P<name>{_NAMED})(?:\s[^<>]{{0,80}})?>", r"<\s*/\s*{name}\s*>"),
    (rf"<[|｜](?:begin|start){_OF}(?:{_NAMED})[|｜]>", rf"<[|｜]end{_OF}(?:{_NAMED})[|｜]>"),
    (rf"<[|｜](?:{_NAMED})[_▁](?:begin|start)[|｜]>", rf"<[|｜](?:{_NAMED})[_▁]end[|｜]>"),
    (rf"<[|｜](?:{_NAMED})[|｜]>", rf"<[|｜]/(?:{_NAMED})[|｜]>"),
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    ("◁think▷", "◁/think▷"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"<\|channel>\s*thought", r"<channel\|>"),
    (r"<unused94>", r"<unused95>"),
)
"""How reasoning begins and ends: R1, Qwen and most others; DeepSeek, OpenThinker, Command; MiniCPM; Apertus;
Kimi; Magistral; Gemma."""
_FOLDED: Final = rf"<details\b[^<>]{{0,300}}\btype\s*=\s*[\"']?(?:{_NAMED})\b[^<>]{{0,300}}>"
_LEADING: Final = [
    re.compile(rf"\A\s*{pattern}", re.DOTALL | re.IGNORECASE | re.MULTILINE)
    for pattern in (
        rf"<\s*(?P<name>{_MAYBE_NAMED})(?:\s[^<>]{{0,80}})?>.*?<\s*/\s*(?P=name)\s*>",
        rf"\[(?P<name>{_MAYBE_NAMED})\].*?\[/(?P=name)\]",
        rf"{_FOLDED}.*?</details\s*>",
        rf"<details\b[^<>]{{0,300}}>\s*<summary>[^<>]{{0,40}}\b(?:{_NAMED})\b[^<>]{{0,40}}</summary>.*?"
        r"</details\s*>",
        rf"(?P<marks>`{{3,}}|~{{3,}})[ \t]*(?:{_MAYBE_NAMED})[ \t]*\n.*?^[ \t]*(?P=marks)[ \t]*$",
        r"here(?: is|'s|’s) my (?:thought process|thinking(?: process)?|reasoning)\s*:.*?"
        r"here(?: is|'s|’s) my (?:final )?(?:response|answer)\s*:",
        r"thinking\.\.\.[ \t]*\n.*?^\.\.\.done thinking\.?[ \t]*$",
    )
]
"""Reasoning that is cut off at the beginning only, and if something is left: tags and fences whose name may
mean something else; Open WebUI's folded parts; Granite's headings; those of Ollama's terminal."""
_OPENED: Final = re.compile(
    rf"\A\s*(?:(?:`{{3,}}|~{{3,}})[ \t]*(?:{_NAMED})[ \t]*\n|{_FOLDED})", re.IGNORECASE
)
"""What begins nothing but reasoning, also where nothing is left: it was cut by the limit of tokens."""
_OPENING: Final = re.compile("|".join(opening for opening, _ in _BLOCKS), re.IGNORECASE)
_BEGINNINGS: Final = [
    (re.compile(rf"(?:^|(?<=[.!?…]))[ \t]*{opening}", re.IGNORECASE | re.MULTILINE), closing)
    for opening, closing in _BLOCKS
]
"""A block begins a line or a sentence; elsewhere its mark is a word of a sentence."""
_CLOSINGS: Final = re.compile(
    "|".join([rf"<\s*/\s*(?P<name>{_NAMED})\s*>", *(closing for _, closing in _BLOCKS[1:])]), re.IGNORECASE
)
_SENTENCE_END: Final = ("", *".!?…:;)]\"'”’*。！？\n")
_QUOTES: Final = tuple("`'\"“‘(")

_CHANNEL: Final = re.compile(
    r"<\|channel\|>\s*(?P<name>\w+)[^<]{0,80}(?:<\|constrain\|>[^<]{0,80})?<\|message\|>"
    r"(?P<text>.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
_BARE_CHANNELS: Final = re.compile(r"\A\s*(?:analysis|commentary)(?=[A-Z\"'(])(?P<rest>.*)\Z", re.DOTALL)
_BARE_FINAL: Final = re.compile(r"(?:\A\s*|[\s.!?)\"'])assistant\s?final(?=\S)(?P<text>.*)\Z", re.DOTALL)
"""Channels of gpt-oss, with their tokens, and as servers leave them that drop special tokens."""

_TURN: Final = (
    r"<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|<\|turn>|<\|user\|>|<[|｜]User[|｜]>|\[INST\]|<s>"
    r"|\[\|user\|\]|\]~b\]|<\|start_of_role\|>"
)
_STOP: Final = (
    r"(?:<[|｜][^<>|｜\s]{1,40}[|｜]>|\[\|[^\[\]|\s]{1,40}\|\]|<turn\|>|\[/?INST\]|\[e~\[|\]~!?b[\[\]]"
    r"|</?(?:s|eos|eot|eod|eoa|eom|pad|unk|sep|end_of_[a-z]{2,20}|end_?of_?text|im_end|assistant)>"
    r"|<(?:extra_id|special)_\d{1,4}>|\[(?:eos|sep|pad|end|stop|done)\])"
)
"""A token of a template: those with bars, and what the older models have."""
_STARTS: Final = re.compile(
    r"\A\s*(?:(?:<s>|<bos>|\[/INST\]|<\|begin_of_text\|>|<\|start\|>\s*assistant|<\|message\|>"
    r"|<\|im_start\|>\s*assistant|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>"
    r"|<start_of_turn>\s*model|<\|assistant\|>|<[|｜]Assistant[|｜]>|<\|START_RESPONSE\|>|\[\|assistant\|\]|\]~b\]ai\s*\n"
    r"|<\|start_of_role\|>\s*assistant\s*<\|end_of_role\|>|assistant\s*\n)\s*)+",
    re.IGNORECASE,
)
_END: Final = re.compile(rf"{_STOP}\Z", re.IGNORECASE)
_LONGEST_TOKEN: Final = 60
_NEXT_TURN: Final = re.compile(rf"{_STOP}\s*(?:{_TURN}).*\Z", re.DOTALL)
_RUN_ON: Final = re.compile(
    r"(?<=[\w.!?…*)])(?:<\|(?:im_end|eot_id|endoftext|end_of_text|end|eom_id|end_of_role)\|>|<end_of_turn>|</s>"
    r"|<end_of_utterance>|\[\|endofturn\|\]|\[e~\[).*\Z",
    re.DOTALL,
)
"""What a model wrote on after the end of its turn."""
_BOX: Final = re.compile(r"<\|(?:begin|end)_of_box\|>")
_WRAPPED: Final = re.compile(
    r"\A\s*(?:<(?P<name>answer|final_answer|final|response|output|solution)>(?P<one>.*?)(?:</(?P=name)>)?"
    r"|<\|begin_of_(?P<kind>box|solution)\|>(?P<two>.*?)(?:<\|end_of_(?P=kind)\|>)?)\s*\Z",
    re.DOTALL | re.IGNORECASE,
)
_FENCE: Final = re.compile(
    r"\A(?P<before>(?:(?!```|~~~).)*?)^[ \t]*(?P<marks>`{3,}|~{3,})[ \t]*[\w.+-]*[ \t]*\n(?P<inside>.*?)"
    r"(?:\n[ \t]*(?P=marks)[ \t]*(?:\n(?P<after>.*))?)?\Z",
    re.DOTALL | re.MULTILINE,
)
_FENCE_IN_LINE: Final = re.compile(r"\A\s*```(?P<inside>[^`\n]+)```\s*\Z")
LONGEST_PREFACE: Final = 300
"""Characters around a fence that count as talk about it: "Here is the refined text:"."""
_MOST_LAYERS: Final = 6
_MOST_BLOCKS: Final = 50
_NEAR: Final = 100
"""Characters around a mark that tell whether it stands within a sentence."""


_MARKS: Final = "<`~◁["
_BARE: Final = ("analysis", "commentary", "assistant", "here is my", "here's my", "here’s my", "thinking...")
"""Every frame has one of these; most answers have none, and looking for each frame takes 0.4 ms."""


@dataclass(frozen=True, slots=True)
class FinalText:
    """An answer.

    Attributes:
        text: What a model wrote, untouched where nothing framed it.
        reasoned: Reasoning stood before it, or took its place.
    """

    text: str
    reasoned: bool = False


def final_text(written: str) -> FinalText:
    """The answer in a message.

    >>> final_text("<think>\\nSadness? No.\\n</think>\\n\\nHappiness").text
    'Happiness'
    >>> final_text("The tag <think> opens a block.").text
    'The tag <think> opens a block.'
    """
    if not any(mark in written for mark in _MARKS) and not written.lstrip()[:12].lower().startswith(_BARE):
        return FinalText(written)
    text, reasoned = written, False
    for _ in range(_MOST_LAYERS):
        before = text
        text = _cut(_STARTS.sub("", text, count=1), text)
        answer = _without_reasoning(_final_channel(text))
        reasoned = reasoned or answer != text
        text = _unwrapped(_cut(_without_stops(_first_turn(_BOX.sub("", answer))), answer))
        if text == before:
            break
    return FinalText(text, reasoned)


def _cut(text: str, before: str) -> str:
    """`text`, without blanks at its ends if it differs from what it was `before`."""
    return before if text == before else text.strip()


def _final_channel(text: str) -> str:
    channels = list(_CHANNEL.finditer(text))
    if channels:
        finals = [found["text"].strip() for found in channels if found["name"].lower() == "final"]
        return next((final for final in reversed(finals) if final), "")
    if bare := _BARE_FINAL.search(text):
        return bare["text"].strip() if bare.start() == 0 or _BARE_CHANNELS.match(text) else text
    return "" if _BARE_CHANNELS.match(text) else text


def _without_reasoning(text: str) -> str:
    """Without blocks at the beginning or on lines of their own, and without what a lone closing mark ends."""
    for _ in range(_MOST_BLOCKS):
        if left := _behind_reasoning(text):
            text = left
        elif (found := _block(text)) is not None:
            text = (text[: found[0]] + text[found[1] :]).strip()
        else:
            break
    return text


def _behind_reasoning(text: str) -> str:
    """What stands behind reasoning in other marks at the beginning; empty where nothing does."""
    ends = (found.end() for pattern in _LEADING if (found := pattern.match(text)))
    return next((left for end in ends if (left := text[end:].strip())), "")


def _block(text: str) -> tuple[int, int] | None:
    """Where reasoning begins and ends."""
    if _OPENED.match(text):
        return 0, len(text)
    for opening, closing in _BEGINNINGS:
        if (found := opening.search(text)) is None:
            continue
        name = re.escape(found["name"]) if "name" in found.groupdict() else ""
        end = re.compile(closing.replace("{name}", name), re.IGNORECASE).search(text, found.end())
        if end is not None:
            return found.start(), end.end()
        if not text[: found.start()].strip():  # it never ends: cut by the limit of tokens
            return found.start(), len(text)
    opened = _OPENING.search(text)
    closings = _CLOSINGS.finditer(text, 0, opened.start() if opened else len(text))
    ends = [found.end() for found in closings if _ends_reasoning(text, found)]
    return (0, ends[-1]) if ends else None


def _ends_reasoning(text: str, closing: re.Match[str]) -> bool:
    """Whether a closing mark without its opening ends what stands before: some prompts end with `<think>`."""
    before = text[max(0, closing.start() - _NEAR) : closing.start()]
    after = text[closing.end() : closing.end() + _NEAR].lstrip(" \t")[:1]
    if before[-1:] in _QUOTES:
        return False
    apart = before[-1:] in (" ", "\t") and before.rstrip(" \t")[-1:] not in _SENTENCE_END
    return not apart or after in ("", "\n")


def _first_turn(text: str) -> str:
    """Without what follows the end of the turn; `</s>` behind `<s>` is struck out text of a page."""
    text = _NEXT_TURN.sub("", text)
    found = _RUN_ON.search(text)
    if found is None or (found[0].startswith("</s>") and "<s>" in text[: found.start()]):
        return text
    return text[: found.start()]


def _without_stops(text: str) -> str:
    """Without tokens of the template at the end."""
    end = len(text.rstrip())
    kept = end
    while found := _END.search(text, max(0, kept - _LONGEST_TOKEN), kept):
        kept = found.start()
        while kept and text[kept - 1].isspace():
            kept -= 1
    return text if kept == end else text[:kept]


def _unwrapped(text: str) -> str:
    """The inside of a wrapper or a fence that is all there is, but for a short preface."""
    if wrapped := _WRAPPED.match(text):
        return (wrapped["one"] or wrapped["two"] or "").strip()
    if line := _FENCE_IN_LINE.match(text):
        return line["inside"].strip()
    fence = _FENCE.match(text)
    if fence is None or "```" in fence["inside"] or "~~~" in fence["inside"]:
        return text
    before, after = fence["before"].strip(), (fence["after"] or "").strip()
    around = len(before) + len(after)
    if around > LONGEST_PREFACE or "```" in after or "~~~" in after:
        return text
    closed = fence["after"] is not None or text.rstrip().endswith(fence["marks"])
    introduced = before.endswith(":") and not after
    if (not around or closed) and (introduced or around <= len(fence["inside"])):
        return fence["inside"].strip()
    return text
