"""From a conversation to token ids, and to the labels that say which of them are learned.

The labels grow with the ids, piece by piece, and every piece is tokenised by itself. What the assistant is
given before it writes is therefore the same in training and at generation, token by token.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from expllm.core.conversations import Conversation, Task, label_question
from expllm.core.errors import ExpllmError, RecordError, VocabularyError
from expllm.core.vocabulary import Expression
from expllm.model.chat_templates import (
    CHATML,
    PLAIN,
    SMOLLM2,
    TEMPLATES,
    VICUNA,
    ChatTemplate,
    Marks,
    Template,
    TemplateError,
    TemplatePiece,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

__all__ = [
    "CHATML",
    "IGNORE",
    "PLAIN",
    "SMOLLM2",
    "TEMPLATES",
    "VICUNA",
    "ChatTemplate",
    "Encoded",
    "Encoder",
    "Encodes",
    "TemplateError",
    "TooLong",
    "collate",
    "label_tokens",
]

IGNORE: Final = -100
"""The label of a token that is not learned; the losses of PyTorch and `transformers` leave it out."""


class TooLong(ExpllmError):  # noqa: N818 - named for what is wrong
    """A conversation has more tokens than the model's context; it is never cut off in silence."""


@dataclass(frozen=True)
class Encoded:
    """Token ids, and for each the same id again where it is learned, else `IGNORE`."""

    input_ids: list[int]
    labels: list[int]
    task: Task

    @property
    def learned(self) -> list[int]:
        """The ids that are learned, in order."""
        return [label for label in self.labels if label != IGNORE]

    def __len__(self) -> int:
        return len(self.input_ids)


class Encodes(Protocol):
    """Writes conversations in ids: an `Encoder`, or a `processors.ProcessorEncoder`.

    Attributes:
        image_tokens: How many ids a picture takes.
        max_length: The most ids that a conversation may have.
    """

    image_tokens: int
    max_length: int

    def encode(self, conversation: Conversation, sample: str = "a conversation") -> Encoded:
        """The whole conversation; `sample` is what messages call it."""
        ...

    def prompt(self, conversation: Conversation, sample: str = "a conversation") -> list[int]:
        """The ids that a model is given so that it answers: up to where the assistant begins to write."""
        ...


class Encoder:
    """Writes conversations in a tokenizer's ids.

    Learned is what the assistant says, from its first token to the one that ends its turn, and nothing else.

    Args:
        tokenizer: A fast tokenizer of `transformers`.
        template: One of `TEMPLATES`, or another that is written by hand.
        image_token: A token that no text may hold; it keeps the places of the picture.
        image_tokens: How many places a picture takes.
        max_length: The most ids that a conversation may have.

    Raises:
        VocabularyError: the tokenizer lacks `image_token`, or the token that ends a turn.
    """

    def __init__(
        self, tokenizer: Any, template: Template, image_token: str, image_tokens: int, max_length: int
    ) -> None:
        self.template, self.image_tokens, self.max_length = template, image_tokens, max_length
        backend = _backend(tokenizer)
        self._inner = _without_prefix(backend)
        self._image_id = _token_id(backend, image_token, "the picture's places")
        self._bos = _first_id(tokenizer, backend)
        self._lead = _prefix(backend, self._inner)
        control = {**control_tokens(tokenizer), self._image_id: image_token}
        # An unknown character is no control token, except where its token holds the places of the picture.
        self._forbidden = control.keys() - ({tokenizer.unk_token_id} - {self._image_id})
        self.marks = Marks(image_token, tokenizer.eos_token or "", tuple(control.values()))
        self._inside_control = re.compile("|".join(map(_behind_first, control.values())))
        if isinstance(template, ChatTemplate):
            _token_id(backend, template.end or self.marks.end, "the end of a turn")

    def encode(self, conversation: Conversation, sample: str = "a conversation") -> Encoded:
        """The whole conversation; `sample` is what messages call it.

        Raises:
            RecordError: there is nothing to learn, or a text holds the picture's token.
            TooLong: it has more than `max_length` ids.
            TemplateError: the template cannot write it.
        """
        if not conversation.learned:
            raise RecordError(
                f"{sample}: no turn is a training target: mark a turn of the assistant as learned"
            )
        return self._encode(conversation, sample)

    def prompt(self, conversation: Conversation, sample: str = "a conversation") -> list[int]:
        """The ids that a model is given so that it answers: up to where the assistant begins to write.

        Raises:
            RecordError: it is not the assistant's turn, or a text holds the picture's token.
            TooLong: it has more than `max_length` ids.
            TemplateError: the template cannot write it.
        """
        if not conversation.open:
            raise RecordError(
                f"{sample}: the last turn is the assistant's: a prompt must end with a question"
            )
        return self._encode(conversation, sample).input_ids

    def _encode(self, conversation: Conversation, sample: str) -> Encoded:
        ids: list[int] = []
        labels: list[int] = []
        for piece in self.template.pieces(conversation, self.marks):
            new = self._ids(piece, sample, first=not ids)
            ids += new
            labels += new if piece.learn else [IGNORE] * len(new)
        if self._bos is not None and ids[0] != self._bos:
            ids, labels = [self._bos, *ids], [IGNORE, *labels]
        if ids.count(self._image_id) != self.image_tokens:
            raise TemplateError(
                "the chat template does not write the picture's token once: choose one by name"
            )
        if len(ids) > self.max_length:
            raise TooLong(
                f"{sample}: {len(ids):,} tokens, of which the picture takes {self.image_tokens:,}, and the "
                f"limit is {self.max_length:,}: shorten its text or leave it out"
            )
        return Encoded(ids, labels, conversation.task)

    def _ids(self, piece: TemplatePiece, sample: str, *, first: bool) -> list[int]:
        if piece.said:
            return self._said(piece.text, sample, first=first)
        lead = self._lead if first and not piece.text.startswith(self.marks.control) else ""
        return list(self._with_picture(self._inner.encode(lead + piece.text, add_special_tokens=False).ids))

    def _with_picture(self, ids: Sequence[int]) -> Iterator[int]:
        for token in ids:
            yield from [token] * (self.image_tokens if token == self._image_id else 1)

    def _said(self, text: str, sample: str, *, first: bool) -> list[int]:
        """Ids of a text in which nothing is a control token: what looks like one is taken apart."""
        if self.marks.picture in text:
            raise RecordError(
                f"{sample}: a text holds {self.marks.picture!r}, the picture's token: take it out"
            )
        ids: list[int] = []
        for part in self._inside_control.split(self._lead + text if first else text):
            ids += self._inner.encode(part, add_special_tokens=False).ids
        if not self._forbidden.isdisjoint(ids):
            raise RecordError(
                f"{sample}: the tokenizer reads a control token in {text.strip()[:60]!r}: take it out"
            )
        return ids


def label_tokens(encoder: Encodes, label: Expression) -> list[int]:
    """What the assistant writes for a label: the ids of its word, and the one that ends the turn."""
    return encoder.encode(label_question([label]).answered(label.value)).learned


def collate(encoded: Sequence[Encoded], pad_id: int, multiple_of: int = 8) -> dict[str, "NDArray[np.int64]"]:
    """A batch, filled up at the right to the longest, and to a multiple of `multiple_of`.

    Returns:
        `input_ids`, `attention_mask` (0 where filled up) and `labels` (there `IGNORE`), each [batch, length].
    """
    longest = max(map(len, encoded))
    shape = len(encoded), -(-longest // multiple_of) * multiple_of
    ids, mask, labels = (
        np.full(shape, pad_id, np.int64),
        np.zeros(shape, np.int64),
        np.full(shape, IGNORE, np.int64),
    )
    for row, one in enumerate(encoded):
        ids[row, : len(one)], mask[row, : len(one)], labels[row, : len(one)] = one.input_ids, 1, one.labels
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def _backend(tokenizer: Any) -> "Tokenizer":
    """A copy, so that the caller's padding and truncation stay as they are, and here there are none."""
    from tokenizers import Tokenizer

    found = getattr(tokenizer, "backend_tokenizer", None)
    if found is None:
        raise VocabularyError(
            f"{type(tokenizer).__name__} is not a fast tokenizer: give a model that has a tokenizer.json"
        )
    copy = Tokenizer.from_str(found.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy


def _without_prefix(backend: "Tokenizer") -> "Tokenizer":
    """A copy that puts no space before a text: Llama's tokenizer does, and here a piece is no beginning."""
    from tokenizers import Tokenizer

    parts = json.loads(backend.to_str())
    for name, many in (("normalizer", "normalizers"), ("pre_tokenizer", "pretokenizers")):
        part = parts[name]
        steps = part[many] if part and part["type"] == "Sequence" else [part] if part else []
        kept = [_no_space_before(step) for step in steps if step["type"] != "Prepend"]
        parts[name] = {"type": "Sequence", many: kept} if kept else None
    return Tokenizer.from_str(json.dumps(parts))


def _no_space_before(step: dict[str, Any]) -> dict[str, Any]:
    if step["type"] == "Metaspace":
        return {**step, "prepend_scheme": "never"}
    return {**step, "add_prefix_space": False} if "add_prefix_space" in step else step


def _prefix(backend: "Tokenizer", inner: "Tokenizer") -> str:
    """What the tokenizer puts before a text by itself; it stays at the start of a sequence."""
    plain = backend.encode("a", add_special_tokens=False).ids
    return "" if plain == inner.encode("a", add_special_tokens=False).ids else " "


def _first_id(tokenizer: Any, backend: "Tokenizer") -> int | None:
    """The token that begins every sequence, where the tokenizer wants one."""
    ids = backend.encode("a", add_special_tokens=True).ids
    return tokenizer.bos_token_id if ids[0] == tokenizer.bos_token_id else None


def _token_id(backend: "Tokenizer", token: str, purpose: str) -> int:
    ids = backend.encode(token, add_special_tokens=False).ids
    if not token or ids != [backend.token_to_id(token)]:
        raise VocabularyError(
            f"the tokenizer has no token {token!r} for {purpose}: choose another template or token"
        )
    return int(ids[0])


def control_tokens(tokenizer: Any) -> dict[int, str]:
    """Tokens that steer a model: the special ones, and those like Qwen's <think>, which is not special."""
    added = tokenizer.added_tokens_decoder.items()
    return {key: token.content for key, token in added if token.special or token.content.startswith("<")}


def _behind_first(token: str) -> str:
    """A pattern for the place behind a token's first character: cut there, it is read as plain text."""
    return rf"(?<={re.escape(token[:1])})(?={re.escape(token[1:])})" if len(token) > 1 else "(?!)"
