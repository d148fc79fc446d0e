"""Options of chat models, the same at every command that asks one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from expllm.core.errors import UsageError

if TYPE_CHECKING:
    from expllm.predict import ChatOptions


def temperature_of(text: str | float) -> float | None:
    """A temperature as the command line has it: a number from 0 to 2, or `none`, which leaves it out."""
    if isinstance(text, str) and text.strip().casefold() == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise typer.BadParameter(f"{text!r} is not a number from 0 to 2, and not none")
    return value


MAX_TOKENS_HELP = (
    "Maximum number of tokens to generate per reply, reasoning included. [default: the server's]"
)
TEMPERATURE_HELP = "Sampling temperature, 0-2; none leaves it out, as some models require."

MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", min=1, help=MAX_TOKENS_HELP, show_default=False)
]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", metavar="T|none", parser=temperature_of, help=TEMPERATURE_HELP),
]

# For commands that take other models as well.

ChatBaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url", metavar="URL", help="chat: an OpenAI-compatible endpoint. [default: OpenAI's]"
    ),
]
ChatKeyEnv = Annotated[
    str | None,
    typer.Option(
        "--key-env",
        metavar="VAR",
        help="chat, endpoint: the environment variable of the key. [default: OPENAI_API_KEY]",
    ),
]
ChatTemperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        metavar="T|none",
        parser=temperature_of,
        help="chat: sampling temperature, 0-2; none leaves it out. [default: none]",
        show_default=False,
    ),
]
ChatMaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens",
        metavar="N",
        min=1,
        help="chat, endpoint: maximum number of tokens to generate per reply, reasoning included. "
        "[default: the server's; endpoint: 256]",
    ),
]
ChatTimeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.1, help="chat, endpoint: for one answer. [default: 60]"
    ),
]
ChatCache = Annotated[
    Path | None, typer.Option("--cache", metavar="FILE", help="chat: keep answers here and take known ones.")
]
ChatBudget = Annotated[
    float | None, typer.Option("--budget", metavar="USD", help="chat: stop asking when so much is spent.")
]
ChatPrices = Annotated[
    Path | None, typer.Option("--prices", metavar="FILE", help="chat: USD a million tokens, by model.")
]
ServedQuestions = Annotated[
    str | None,
    typer.Option(
        "--questions",
        metavar="FOLDER",
        help="endpoint: the merged folder that is served. [default: as the server names it]",
        show_default=False,
    ),
]
ServedName = Annotated[
    str | None,
    typer.Option(
        "--served-model-name",
        metavar="NAME",
        help="endpoint: what the model is called there. [default: the only one that the server lists]",
        show_default=False,
    ),
]


def chat_options(
    base_url: str | None, key_env: str | None, temperature: float | None, max_tokens: int | None,
    timeout: float | None, cache: Path | None, budget: float | None, prices: Path | None,
    questions: str | None = None, served_name: str | None = None,
) -> "ChatOptions | None":  # fmt: skip
    """The options of an endpoint, where any was given.

    Raises:
        UsageError: the budget is no amount.
    """
    given = {
        "base_url": base_url, "key_env": key_env, "temperature": temperature, "max_tokens": max_tokens,
        "timeout": timeout, "cache": cache, "budget": budget, "prices": prices,
        "questions": Path(questions) if questions else None, "served_name": served_name,
    }  # fmt: skip
    known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not known:
        return None
    from expllm.predict import ChatOptions

    if not known.get("budget", 1) > 0:
        raise UsageError(f"--budget is {known['budget']:g}: nothing can be asked for that")
    return ChatOptions(**known)
