"""Base URL and API key of an endpoint, and how both may be shown."""

import base64
import os
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from expllm.chat.chat_errors import KeyRejected
from expllm.chat.dialects import Dialect, dialect_of
from expllm.core.errors import UsageError, one_line

OPENAI: Final = "https://api.openai.com/v1"
BEARER: Final = "Authorization"
_PATH: Final = "/chat/completions"
_MODELS: Final = "/models"
_KEYS: Final = re.compile(
    r"\b(?:sk|pk|key|rk|gsk|hf|xai|nvapi)[-_][\w*.-]{4,}|\bAIza[\w*-]{8,}|\beyJ[\w-]{8,}(?:\.[\w-]+)*"
    r"|(?<=\bbearer )[\w*.~+/=-]{8,}",
    re.IGNORECASE,
)
"""What looks like a key: those of OpenAI and its kin, Google's, signed tokens, whatever follows `Bearer`."""


class Secret:
    """A string that repr, format and f-strings do not reveal."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text; only for the header that carries it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("keys are never serialised: create the chat model again from the environment")


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint.

    Attributes:
        url: What requests go to. It may have a query, and so may hold a secret.
        shown: The base URL without credentials and query, for messages.
        host: Its host name.
        key_env: The environment variable of the key.
        authorization: Value of the header that carries the key, empty where the endpoint gets none.
        key_header: The name of that header.
        secrets: What no message may quote: the key, a password or query in the address.
        dialect: How the server there speaks the protocol.
        option: What a message tells the user to change it with.
        model_option: The same of the model's name.
    """

    url: str = field(repr=False)
    shown: str
    host: str
    key_env: str
    authorization: Secret
    secrets: tuple[Secret, ...]
    dialect: Dialect
    key_header: str
    option: str = "--base-url"
    model_option: str = "--model"

    @property
    def models_url(self) -> str:
        """Where the list of models is."""
        return self.under(_MODELS)

    def under(self, path: str) -> str:
        """Another place of the same API, such as `/files` or `/batches?limit=9`."""
        split, (path, _, query) = urlsplit(self.url), path.partition("?")
        queries = "&".join(part for part in (split.query, query) if part)
        return urlunsplit(split._replace(path=split.path.removesuffix(_PATH) + path, query=queries))

    @classmethod
    def of(cls, base_url: str | None, key_env: str) -> "Address":
        """Reads the address and the environment.

        Raises:
            UsageError: the base URL is none.
            KeyRejected: OpenAI's own endpoint without a key, or a key that cannot be one.
        """
        split = _split(base_url or os.environ.get("OPENAI_BASE_URL", "").strip() or OPENAI)
        path = split.path.rstrip("/").removesuffix(_PATH)
        netloc = split.netloc.rpartition("@")[2]
        shown = urlunsplit((split.scheme, netloc, path, "", ""))
        dialect, key = dialect_of(split.hostname or "", split.port), _key(key_env)
        if not key and split.hostname == urlsplit(OPENAI).hostname:
            raise KeyRejected(
                f"{shown} wants an API key: set {key_env}, or name another server with --base-url"
            )
        header, authorization = dialect.key_header, key
        if (
            not key or header == BEARER or key.startswith("eyJ")
        ):  # a signed token is no API key, at Azure either
            header, authorization = BEARER, f"Bearer {key}" if key else ""
        password = unquote(split.password or "")
        if split.username is not None:
            pair = f"{unquote(split.username)}:{password}"
            header, authorization = BEARER, "Basic " + base64.b64encode(pair.encode()).decode()
        url = urlunsplit((split.scheme, netloc, path + _PATH, split.query, ""))
        hidden = [key, authorization.partition(" ")[2], password, split.password or "", split.query]
        hidden += [value for _, value in parse_qsl(split.query)]
        secrets = tuple(Secret(text) for text in sorted(set(hidden), key=len, reverse=True) if len(text) > 2)
        return cls(url, shown, split.hostname or "", key_env, Secret(authorization), secrets, dialect, header)

    def scrub(self, text: str, most: int = 200) -> str:
        """What a server said, as one short line without anything that may be a key."""
        for secret in self.secrets:
            text = text.replace(secret.reveal(), "***")
        line = one_line(" ".join(_KEYS.sub("***", text).split()))
        return line if len(line) <= most else line[: most - 3] + "..."

    def proxy(self) -> str | None:
        """The proxy that the environment names for it; none for this machine."""
        from urllib.request import getproxies, proxy_bypass

        if self.host in ("localhost", "::1") or self.host.startswith("127."):
            return None
        if proxy_bypass(self.host):
            return None
        return getproxies().get(self.url.partition(":")[0])


def _split(base_url: str) -> SplitResult:
    shown = one_line(base_url.rpartition("@")[2].partition("?")[0])
    try:
        split = urlsplit(base_url)
        port = split.port
    except ValueError as error:
        raise UsageError(f"the base URL {shown!r} cannot be read: {error}") from None
    if split.scheme not in ("http", "https") or not split.hostname or port == 0:
        raise UsageError(f"the base URL must be like http://localhost:8000/v1, not {shown!r}")
    return split


def _key(key_env: str) -> str:
    key = os.environ.get(key_env, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise KeyRejected(
            f"the environment variable {key_env} holds characters that no API key has: set it anew"
        )
    return key
