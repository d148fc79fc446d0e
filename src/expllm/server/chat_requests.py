"""OpenAI's chat request: what of it is used, what is ignored, and which picture it holds."""

import base64
import binascii
import re
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from expllm.core.conversations import LABELS_HERE, QUESTIONS
from expllm.server.bodies import Upload
from expllm.server.http_errors import ApiError, bad_request

_DATA_URI: Final = re.compile(r"data:(?P<kind>[\w.+-]+/[\w.+-]+)?(?P<parameters>(;[^;,]*)*),", re.I | re.A)
_HTTP: Final = re.compile(r"https?://", re.I)
_LABEL_QUESTION: Final = re.compile(
    r"\s*".join(".+" if part == LABELS_HERE else re.escape(part.strip()) for part in
                re.split(f"({re.escape(LABELS_HERE)})", QUESTIONS.label)),
    re.DOTALL,
)  # fmt: skip
_IMAGE: Final = "messages.image_url"
_URL_SAFE: Final = str.maketrans("-_", "+/")


class ImageUrl(BaseModel):
    """A picture, as a data URI."""

    url: str


class MessagePart(BaseModel):
    """A part of a message."""

    type: str
    text: str | None = None
    image_url: ImageUrl | str | None = None  # some clients put no object around the address

    @property
    def picture(self) -> str | None:
        """The address of a picture, if the part is one."""
        if self.type != "image_url" or self.image_url is None:
            return None
        return self.image_url if isinstance(self.image_url, str) else self.image_url.url


class ChatMessage(BaseModel):
    """A message. What tools and functions answered may stand in the history, and is ignored."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[MessagePart] | None = None

    @property
    def parts(self) -> list[MessagePart]:
        """The parts; a plain text is one."""
        if self.role in ("tool", "function"):
            return []
        if isinstance(self.content, str):
            return [MessagePart(type="text", text=self.content)]
        return self.content or []

    @property
    def text(self) -> str:
        """All that is text."""
        return "\n".join(part.text for part in self.parts if part.type == "text" and part.text)


class StreamOptions(BaseModel):
    """How an answer is streamed."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A chat request. What is not named here is ignored, and the answer says so."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(description="One of /v1/models.")
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = 1
    user: str | None = Field(None, description="Ignored.")

    @property
    def ignored(self) -> tuple[str, ...]:
        """Parameters that change nothing here, such as the temperature."""
        given: dict[str, Any] = self.model_extra or {}
        return tuple(sorted(name for name, value in given.items() if value is not None))

    @property
    def only_label(self) -> bool:
        """Whether the last question is the paper's for a label; every other one is for an explanation."""
        asked = [message.text for message in self.messages if message.role == "user"]
        return bool(asked) and _LABEL_QUESTION.fullmatch(asked[-1].strip()) is not None

    @property
    def words(self) -> int:
        """Words of all messages."""
        return sum(len(message.text.split()) for message in self.messages)

    def picture(self, *, allow_url: bool) -> Upload:
        """The last picture of the conversation.

        Args:
            allow_url: It may be the address of one.

        Raises:
            ApiError: there is none, or it is not given as a data URI.
        """
        urls = [
            part.picture for message in self.messages for part in message.parts if part.picture is not None
        ]
        if not urls:
            raise bad_request("The messages hold no picture: add one as image_url.", _IMAGE, "missing_image")
        return picture_of(urls[-1], allow_url=allow_url)


def picture_of(url: str, *, allow_url: bool = False, param: str = _IMAGE) -> Upload:
    """The picture of a data URI, or of an address where these are allowed.

    Args:
        param: What errors name.

    Raises:
        ApiError: it is another kind of address, or the base64 is broken.
    """
    if head := _DATA_URI.match(url):
        if not (head["parameters"] or "").casefold().endswith(";base64"):
            raise bad_request("The picture's data URI must be base64.", param, "invalid_image_url")
        try:
            return Upload(_decoded(url[head.end() :]))
        except (binascii.Error, ValueError):
            raise bad_request("The picture's base64 is broken.", param, "invalid_image_url") from None
    if allow_url and _HTTP.match(url):
        return Upload(b"", url=url)
    raise ApiError(
        400, "Pictures must be data URIs (data:image/jpeg;base64,...): this server opens no addresses.",
        "invalid_image_url", param=param,
    )  # fmt: skip


def _decoded(text: str) -> bytes:
    """Base64 as clients write it: broken into lines, without padding, in the alphabet for addresses.

    Raises:
        ValueError: it is none.
    """
    plain = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
