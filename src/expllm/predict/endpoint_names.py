"""Which model a server runs, and which folder says how it is to be asked."""

from pathlib import Path
from typing import Final

from expllm.chat import OpenAIChat
from expllm.core.errors import UsageError
from expllm.model.manifest import is_model
from expllm.predict.chat import AskingLoop

ADDRESS: Final = "the address behind endpoint:"
"""What a message tells the user to check."""


def served_model(url: str, key_env: str, name: str | None, folder: Path | None) -> tuple[str, Path]:
    """The name of the model on the server, and its merged folder. What is given is not asked for.

    Args:
        name: What the model is called there; None: the only one that the server lists.
        folder: The merged folder; None: that which the server lists with the model, if it is on this machine.

    Raises:
        UsageError: one of the two is not known.
        KeyRejected, Unreachable: as `OpenAIChat.listed`.
    """
    if name is not None and folder is not None:
        return name, folder
    chat = OpenAIChat(name or "any", base_url=url, api_key_env=key_env, address_option=ADDRESS)
    listed = _listed(chat)
    name = _only(chat, [one for one, _ in listed]) if name is None else name
    return name, _folder(chat, dict(listed).get(name, ""), name) if folder is None else folder


def _listed(chat: OpenAIChat) -> tuple[tuple[str, str], ...]:
    loop = AskingLoop()
    try:
        return loop.run(chat.listed())
    finally:
        loop.run(chat.close())
        loop.close()


def _only(chat: OpenAIChat, names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    serves = f"serves {', '.join(names)}" if names else "does not say which models it serves"
    raise UsageError(f"{chat.shown} {serves}: name one with --served-model-name")


def _folder(chat: OpenAIChat, root: str, name: str) -> Path:
    for place in (root, name):
        if place and is_model(Path(place)):
            return Path(place)
    raise UsageError(
        f"{chat.shown} serves {name}, but its questions are not on this machine: give the merged folder "
        "that is served with --questions FOLDER"
    )
