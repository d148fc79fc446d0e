"""Chat templates of presets made of a vision encoder and a language model.

A template gives pieces. What it writes itself, with its control tokens, and what was said are never in the
same piece: so a text cannot pass for a control token, and nobody looks for answers in a finished string.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Protocol

from expllm.core.conversations import Conversation
from expllm.core.errors import ExpllmError


class TemplateError(ExpllmError):
    """A model's chat template cannot write a conversation so that its answers can be learned."""


@dataclass(frozen=True)
class TemplatePiece:
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
    """Tokens that a template may write: the image token, the end of a sequence, and all control tokens."""

    picture: str
    end: str
    control: tuple[str, ...]


class Template(Protocol):
    """Writes conversations. An open one ends where the assistant would begin to write."""

    def pieces(self, conversation: Conversation, marks: Marks) -> list[TemplatePiece]:
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

    def pieces(self, conversation: Conversation, marks: Marks) -> list[TemplatePiece]:
        """See `Template`.

        Raises:
            TemplateError: it writes no questions, and there are several.
        """
        return list(_joined(self._pieces(conversation, marks)))

    def _pieces(self, conversation: Conversation, marks: Marks) -> Iterator[TemplatePiece]:
        if not self.asks and len(conversation.spoken) > 2:
            raise TemplateError(
                f"the template {self.name!r} is for one caption: it cannot write several rounds"
            )
        system = conversation.system or self.system
        if system and self.asks:
            yield from (
                TemplatePiece(self.system_before),
                TemplatePiece(system, said=True),
                TemplatePiece(self.system_after),
            )
        for number, turn in enumerate(conversation.spoken):
            if turn.role == "assistant":
                yield TemplatePiece(self.space + turn.text, said=True, learn=turn.learn)
                yield TemplatePiece(self.end or marks.end, learn=turn.learn)
                yield TemplatePiece(self.end_after)
                continue
            pictured = number == 0
            if self.asks:
                yield TemplatePiece(self.user_before + (self.space if pictured else ""))
            if pictured:
                yield TemplatePiece(marks.picture + self.picture_after)
            if self.asks:
                yield TemplatePiece(turn.text if pictured else self.space + turn.text, said=True)
            yield TemplatePiece(self.answer_before)


def _joined(pieces: Iterator[TemplatePiece]) -> Iterator[TemplatePiece]:
    """Without empty pieces, and with what the template writes in one go in one piece."""
    last = TemplatePiece("")
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
