"""A chat model with scripted replies, for tests and dry runs."""

from collections.abc import Callable, Sequence

from expllm.chat.chat_errors import ChatError
from expllm.chat.protocol import Message, Reply, Usage
from expllm.chat.refusals import is_refusal

_Line = str | Reply | Exception
"""A text, a whole reply, or an error to raise."""


class ScriptedChat:
    """Replies from a sequence, or from a function of the messages.

    Tokens are counted as words; the cost is 0.

    Attributes:
        asked: The conversations it was asked, in order.
        limits: `max_tokens` of each of them.
    """

    def __init__(
        self, replies: Sequence[_Line] | Callable[[Sequence[Message]], _Line], *, identity: str = "scripted"
    ) -> None:
        self.identity = identity
        self.asked: list[tuple[Message, ...]] = []
        self.limits: list[int | None] = []
        self.closed = False
        self._replies = replies

    async def ask(self, messages: Sequence[Message], *, max_tokens: int | None = None) -> Reply:
        """The next reply of the script.

        Raises:
            ChatError: the script has ended.
        """
        self.asked.append(tuple(messages))
        self.limits.append(max_tokens)
        line = self._line(messages)
        if isinstance(line, Exception):
            raise line
        if isinstance(line, Reply):
            return line
        usage = Usage(sum(len(message.content.split()) for message in messages), len(line.split()))
        return Reply(line, self.identity, "stop", usage, 0.0, 0.0, 1, refused=is_refusal(line), cached=False)

    async def close(self) -> None:
        """Notes that it was closed."""
        self.closed = True

    def _line(self, messages: Sequence[Message]) -> _Line:
        if callable(self._replies):
            return self._replies(messages)
        number = len(self.asked)
        if number > len(self._replies):
            raise ChatError(f"the script has {len(self._replies)} replies, and was asked {number} times")
        return self._replies[number - 1]
