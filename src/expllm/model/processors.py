"""Conversations in the ids of another model's own processor: as it writes them, nothing of ours between.

A prompt is what `processor.apply_chat_template` gives. What is learned is found by growing the conversation:
the assistant begins where the prompt before its turn ends.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from expllm.core.conversations import Conversation, Turn
from expllm.core.errors import RecordError
from expllm.model.chat_templates import TemplateError
from expllm.model.tokenize import IGNORE, Encoded, TooLong, control_tokens

BY_TEXT: Final = ("input_ids", "attention_mask", "labels")
"""What a processor gives about a text and a batch makes anew."""


@dataclass(frozen=True)
class _Told:
    """A conversation up to an answer, which are the ids from `start` to `end`."""

    ids: list[int]
    start: int
    end: int


class ProcessorEncoder:
    """See `tokenize.Encoder`; the ids are the processor's own, with the places of the picture.

    Args:
        processor: Of `transformers`, for pictures and text, with a chat template.
        side: Of a square picture, in pixels; all pictures take as many tokens as one of this side.
        max_length: The most ids that a conversation may have.

    Raises:
        TemplateError: the processor cannot write a conversation about one picture.
    """

    def __init__(self, processor: Any, side: int, max_length: int) -> None:
        self.processor, self.max_length = processor, max_length
        self._blank = _black(side)
        self._control = control_tokens(processor.tokenizer)
        special = processor.tokenizer.all_special_tokens
        written = str(processor.chat_template or processor.tokenizer.chat_template)
        self._reserved = [one for one in self._control.values() if one in special or one in written]
        self.picture = frozenset(processor.image_token_ids)
        probe = self.read((Turn("user", "-"),), ask=True)
        self.image_tokens = self._places(_ids(probe))
        if not self.image_tokens:
            raise TemplateError(
                f"{type(processor).__name__}: its chat template has no place for an image: choose "
                "another model"
            )
        self.types = dict(_types(probe))
        """Inputs that tell of each token what it is: by name, by id; a token that is missing is 0."""

    def encode(self, conversation: Conversation, sample: str = "a conversation") -> Encoded:
        """See `Encoder.encode`.

        Raises:
            RecordError, TooLong, TemplateError: as there.
        """
        if not conversation.learned:
            raise RecordError(
                f"{sample}: no turn is a training target: mark a turn of the assistant as learned"
            )
        turns = conversation.turns
        told = {number: self._told(turns[: number + 1]) for number, turn in enumerate(turns) if turn.learn}
        last = len(turns) - 1
        whole = told[last].ids if last in told else self._whole(turns, ask=conversation.open)
        labels = [IGNORE] * len(whole)
        for one in told.values():
            if one.ids[: one.end] != whole[: one.end]:
                raise TemplateError(
                    "the model's chat template writes a turn otherwise once the next has been said, so a "
                    "model would not be asked as it was trained: let only the last turn be learned"
                )
            labels[one.start : one.end] = whole[one.start : one.end]
        return Encoded(self._checked(whole, sample), labels, conversation.task)

    def prompt(self, conversation: Conversation, sample: str = "a conversation") -> list[int]:
        """See `Encoder.prompt`.

        Raises:
            RecordError, TooLong, TemplateError: as there.
        """
        if not conversation.open:
            raise RecordError(
                f"{sample}: the last turn is the assistant's: a prompt must end with a question"
            )
        return self._checked(self._whole(conversation.turns, ask=True), sample)

    def read(self, turns: Sequence[Turn], *, ask: bool, picture: Any = None, **options: Any) -> Any:
        """What the processor gives for a conversation about a picture (a blank one by default), as a batch of
        one; `ask` goes on to where the assistant begins.

        Raises:
            TemplateError: it refuses the conversation.
            RecordError: it cannot read a control token in a text as text.
        """
        shown = {"type": "image", "image": self._blank if picture is None else picture}
        roles = [turn.role for turn in turns]
        messages = [
            {
                "role": turn.role,
                "content": [
                    *([shown] if number == roles.index("user") else []),
                    {"type": "text", "text": turn.text},
                ],
            }
            for number, turn in enumerate(turns)
        ]
        hostile = [token for token in self._reserved for turn in turns if token in turn.text]
        if hostile:
            options["sanitize_control_tokens"] = True
        try:
            return self.processor.apply_chat_template(
                messages, add_generation_prompt=ask, tokenize=True, return_dict=True, return_tensors="np",
                **options,
            )  # fmt: skip
        except Exception as error:  # whatever a template of somebody else's raises
            if hostile:
                raise RecordError(
                    f"the processor reads a control token in a text, {hostile[0]}: take it out"
                ) from None
            raise TemplateError(f"the model's processor refuses the conversation: {error}") from None

    def _whole(self, turns: Sequence[Turn], *, ask: bool) -> list[int]:
        return _ids(self.read(turns, ask=ask))

    def _told(self, turns: Sequence[Turn]) -> _Told:
        """The ids up to the answer that comes last, and where it stands in them."""
        asked, told = self._whole(turns[:-1], ask=True), self._whole(turns, ask=False)
        start = len(asked)
        if told[:start] != asked:
            masked = self._masked(turns)
            told, start = (told, masked) if masked else self._spliced(asked, told, turns[-1].text)
        ends = [place for place in range(start, len(told)) if told[place] in self._control]
        if not ends:
            raise TemplateError(
                "the model's chat template writes no control token after an answer, so a model could not "
                "learn to stop: choose another model"
            )
        return _Told(told, start, ends[-1] + 1)

    def _masked(self, turns: Sequence[Turn]) -> int | None:
        """Where the template itself says that the last answer begins, behind the white space before it."""
        if "{% generation %}" not in str(self.processor.chat_template):
            return None
        found = self.read(turns, ask=False, return_assistant_tokens_mask=True)
        ids, mask = _ids(found), [bool(one) for one in found["assistant_masks"][0]]
        start = len(mask) - 1
        while not mask[start]:
            start -= 1
        while mask[start - 1]:
            start -= 1
        while not self.processor.tokenizer.decode([ids[start]]).strip():
            start += 1
        return start

    def _spliced(self, asked: list[int], told: list[int], answer: str) -> tuple[list[int], int]:
        """The prompt and behind it the answer, where the prompt has more than the template keeps of it."""
        pairs = enumerate(zip(asked, told, strict=False))
        common = next((place for place, (one, other) in pairs if one != other), min(len(asked), len(told)))
        rest = told[common:]
        if not self.processor.tokenizer.decode(rest).lstrip().startswith(answer[:1]):
            raise TemplateError(
                "the model's chat template writes the prompt otherwise once it is answered, so a model would "
                "not be asked as it was trained: choose another model"
            )
        return asked + rest, len(asked)

    def _checked(self, ids: list[int], sample: str) -> list[int]:
        if self._places(ids) != self.image_tokens:
            raise RecordError(f"{sample}: the processor reads a second picture in its text: take that out")
        if len(ids) > self.max_length:
            raise TooLong(
                f"{sample}: {len(ids):,} tokens, of which the picture takes {self.image_tokens:,}, and the "
                f"limit is {self.max_length:,}: shorten its text or leave it out"
            )
        return ids

    def _places(self, ids: Sequence[int]) -> int:
        return sum(token in self.picture for token in ids)


def _black(side: int) -> Any:
    from PIL import Image

    return Image.new("RGB", (side, side))


def _ids(given: Any) -> list[int]:
    return [int(token) for token in given["input_ids"][0]]


def _types(given: Any) -> Iterator[tuple[str, dict[int, int]]]:
    """Inputs as long as the text that are no part of it: what each token is, by its id."""
    ids = given["input_ids"]
    for name, values in given.items():
        if name not in BY_TEXT and getattr(values, "shape", None) == ids.shape:
            pairs = zip(_ids(given), values[0], strict=True)
            yield name, {token: int(value) for token, value in pairs if int(value)}
