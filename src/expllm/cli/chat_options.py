"""From the options of a server to `ChatOptions`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from expllm.cli.options import check_budget

if TYPE_CHECKING:
    from expllm.predict import ChatOptions


def chat_options(
    base_url: str | None, key_env: str | None, temperature: float | None, max_tokens: int | None,
    timeout: float | None, cache: Path | None, budget: float | None, prices: Path | None,
    questions: str | None = None, served_name: str | None = None,
) -> "ChatOptions | None":  # fmt: skip
    """The options of an endpoint, where any was given.

    Raises:
        UsageError: the budget is not above 0.
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

    check_budget(budget)
    return ChatOptions(**known)
