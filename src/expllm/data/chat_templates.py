"""How a conversation is written for a model: by a template of ours, or by the model's own.

A template gives pieces. What it writes itself, with its control tokens, and what was said are never in the
same piece: so a text cannot pass for a control token, and nobody looks for answers in a finished string.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

from expllm.conversations import Conversation
from expllm.errors import ExpllmError


class TemplateError(ExpllmError):
    """A model's chat template cannot write a conversation so that its answers can be learned."""


@dataclass(frozen=True)
class Piece:
    """Some text to be tokenised by itself.

    Attributes:
        text: Never empty.
        said: Whether somebody said it: it has no control tokens, whatever it looks like.
        learn: Whether its tokens are learned.
    """

    text: str
    said: bool = False
    learn: bool = False


@dataclass(frozen=True)
class Marks:
    """Tokens that a template may write: the picture's, the end of a sequence, and all control tokens."""

    picture: str
    end: str
    control: tuple[str, ...]


class Template(Protocol):
    """Writes conversations. An open one ends where the assistant would begin to write."""

    def pieces(self, conversation: Conversation, marks: Marks) -> list[Piece]:
        """The conversation in pieces; `marks.picture` stands in them once."""
        ...


@dataclass(frozen=True)
class ChatTemplate:
    """A template written by hand: what stands between the texts.

    Attributes:
        system: What the system says where the conversation does not tell; empty for nothing.
        system_before, system_after: Written around it.
        user_before: Written before a question, and before the picture.
        picture_after: Written between picture and question.
        answer_before: Written after a question: here the assistant begins.
        space: Written before a text and tokenised with it: in Llama's vocabulary a word and the space before
            it are one token, so the space of an answer is the assistant's to write.
        end: The token at the end of an answer, learned with it; empty for the tokenizer's end of a sequence.
        end_after: Written after that, and not learned: a model stops at `end`.
        asks: False leaves the questions out, and what stands around them.
    """

    name: str
    system: str = ""
    system_before: str = ""
    system_after: str = ""
    user_before: str = ""
    picture_after: str = "\n"
    answer_before: str = ""
    space: str = ""
    end: str = ""
    end_after: str = ""
    asks: bool = True

    def pieces(self, conversation: Conversation, marks: Marks) -> list[Piece]:
        """See `Template`.

        Raises:
            TemplateError: it writes no questions, and there are several.
        """
        return list(_joined(self._pieces(conversation, marks)))

    def _pieces(self, conversation: Conversation, marks: Marks) -> Iterator[Piece]:
        if not self.asks and len(conversation.spoken) > 2:
            raise TemplateError(
                f"the template {self.name!r} is for one caption: it cannot write several rounds"
            )
        system = conversation.system or self.system
        if system and self.asks:
            yield from (Piece(self.system_before), Piece(system, said=True), Piece(self.system_after))
        for number, turn in enumerate(conversation.spoken):
            if turn.role == "assistant":
                yield Piece(self.space + turn.text, said=True, learn=turn.learn)
                yield Piece(self.end or marks.end, learn=turn.learn)
                yield Piece(self.end_after)
                continue
            pictured = number == 0
            if self.asks:
                yield Piece(self.user_before + (self.space if pictured else ""))
            if pictured:
                yield Piece(marks.picture + self.picture_after)
            if self.asks:
                yield Piece(turn.text if pictured else self.space + turn.text, said=True)
            yield Piece(self.answer_before)


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Without empty pieces, and with what the template writes in one go in one piece."""
    last = Piece("")
    for piece in pieces:
        if not piece.said and not last.said and piece.learn == last.learn:
            last = replace(last, text=last.text + piece.text)
            continue
        if last.text:
            yield last
        last = piece
    if last.text:
        yield last


VICUNA: Final = ChatTemplate(
    # FastChat's "vicuna_v1.1": Vicuna 1.5 was trained with it, and LLaVA-1.5.
    "vicuna",
    system="A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions.",
    system_after=" ",
    user_before="USER:",
    answer_before=" ASSISTANT:",
    space=" ",
)
CHATML: Final = ChatTemplate(
    "chatml",
    system_before="<|im_start|>system\n",
    system_after="<|im_end|>\n",
    user_before="<|im_start|>user\n",
    answer_before="<|im_end|>\n<|im_start|>assistant\n",
    end="<|im_end|>",
    end_after="\n",
)
SMOLLM2: Final = replace(
    CHATML,
    name="smollm2",
    system="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
)
PLAIN: Final = ChatTemplate("plain", picture_after="", space=" ", asks=False)
"""Stage 1: the picture, its caption, the end. LLaVA's template for the same stage asks nothing either."""

TEMPLATES: Final[Mapping[str, ChatTemplate]] = MappingProxyType(
    {template.name: template for template in (VICUNA, CHATML, SMOLLM2, PLAIN)}
)


@dataclass(frozen=True)
class _Slot:
    """A place in a rendered template.

    Attributes:
        text: What the template wrote; before a turn's text at most a space, which belongs to its first word.
        said: The turn whose text stands here; None for the template's own.
        answers: The turn of the assistant that writes this; None for what the assistant is given.
    """

    text: str
    said: int | None = None
    answers: int | None = None


@dataclass(frozen=True)
class TokenizerTemplate:
    """The chat template that a tokenizer or a processor of `transformers` brings along.

    The template is rendered with a stand-in for each text, once for every sequence of roles, for growing
    parts of the conversation. The assistant writes what stands between the prompt that the template makes
    for generation and the first control token after the answer, which is learned too.

    Attributes:
        source: A processor is given the picture as content of its own, and its template writes the picture's
            token. A bare tokenizer knows no pictures: the token is put before the first question.
    """

    source: Any
    _rendered: dict[tuple[Any, ...], list[_Slot]] = field(default_factory=dict, repr=False, compare=False)

    def pieces(self, conversation: Conversation, marks: Marks) -> list[Piece]:
        """See `Template`.

        Raises:
            TemplateError: there is no template; it refuses the conversation, writes a turn otherwise once
                the next has been said, or marks no end of an answer.
        """
        turns = conversation.turns
        roles = tuple(turn.role for turn in turns)
        if (roles, marks) not in self._rendered:
            self._rendered[roles, marks] = list(_slots(self, roles, marks))
        found = []
        for slot in self._rendered[roles, marks]:
            learn = slot.answers is not None and turns[slot.answers].learn
            text = slot.text if slot.said is None else slot.text + turns[slot.said].text
            found.append(Piece(text, slot.said is not None, learn))
        return found

    def render(self, roles: Sequence[str], picture: str, *, ask: bool) -> str:
        """The text that the template makes of stand-ins; `ask` goes on to where the assistant begins."""
        messages = [
            {"role": role, "content": self._content(turn, turn == roles.index("user"), picture)}
            for turn, role in enumerate(roles)
        ]
        try:
            text = self.source.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask)
        except Exception as error:  # whatever a template of somebody else's raises
            raise TemplateError(f"the model's chat template refuses the conversation: {error}") from None
        return str(text)

    def _content(self, turn: int, pictured: bool, picture: str) -> str | list[dict[str, str]]:
        text = _stand_in(turn)
        if not hasattr(self.source, "tokenizer"):
            return f"{picture}\n{text}" if pictured else text
        return [*([{"type": "image"}] if pictured else []), {"type": "text", "text": text}]


def _stand_in(turn: int) -> str:
    # Characters for private use: no template writes, trims or looks for them.
    return f"\ue000{turn}\ue001"


_TEXT: Final = re.compile("( ?)\ue000(\\d+)\ue001")


def _slots(template: TokenizerTemplate, roles: Sequence[str], marks: Marks) -> Iterator[_Slot]:
    """One rendering, cut where the assistant begins and ends; each part must begin with the one before."""
    written = ""
    for turn, role in enumerate(roles):
        if role != "assistant":
            continue
        asked = template.render(roles[:turn], marks.picture, ask=True)
        yield from _cut(_rest(asked, written), None)
        answer = _rest(template.render(roles[: turn + 1], marks.picture, ask=False), asked)
        answer = answer[: _end_of_turn(answer, turn, marks)]
        yield from _cut(answer, turn)
        written = asked + answer
    whole = template.render(roles, marks.picture, ask=roles[-1] == "user")
    if [int(turn) for _, turn in _TEXT.findall(whole)] != list(range(len(roles))):
        raise TemplateError(
            "the model's chat template does not write every turn once: choose a template by name"
        )
    yield from _cut(_rest(whole, written), None)


def _rest(text: str, before: str) -> str:
    if not text.startswith(before):
        raise TemplateError(
            "the model's chat template writes a turn otherwise once the next has been said, so a model would "
            f"not be asked as it was trained ({text[:40]!r} is not how {before[:40]!r} goes on): choose a "
            "template by name"
        )
    return text[len(before) :]


def _cut(text: str, answers: int | None) -> Iterator[_Slot]:
    *before_texts, rest = _TEXT.split(text)
    for own, space, turn in zip(before_texts[::3], before_texts[1::3], before_texts[2::3], strict=True):
        if own:
            yield _Slot(own, None, answers)
        yield _Slot(space, int(turn), answers)
    if rest:
        yield _Slot(rest, None, answers)


def _end_of_turn(answer: str, turn: int, marks: Marks) -> int:
    after = answer.find(_stand_in(turn))
    ends = [answer.find(token, after) + len(token) for token in marks.control if token in answer[after:]]
    if after < 0 or not ends:
        raise TemplateError(
            "the model's chat template writes no control token after an answer, so a model could not learn "
            "to stop: choose a template by name"
        )
    return min(ends)
