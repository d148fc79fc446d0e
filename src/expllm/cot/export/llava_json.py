"""LLaVA's conversations: a JSON array and the pictures beside it."""

from pathlib import Path
from typing import Any, Final

from expllm.cot.explanation import CotRecord
from expllm.cot.export import rounds
from expllm.cot.export.json_lines import json_text
from expllm.cot.export.selection import Selection, picture, picture_name
from expllm.files.atomic_folders import durable_file

_IMAGE: Final = "<image>"
"""Where LLaVA puts the picture."""


def llava_folder(selection: Selection, folder: Path) -> None:
    """`conversations.json` and `images/`; a record without a picture has a talk without one.

    Raises:
        ExpllmError: a picture is not where it was.
    """
    if selection.pictured:
        (folder / "images").mkdir()
    with durable_file(folder / "conversations.json") as file:
        separator = "[\n"
        for record in selection:
            entry: dict[str, Any] = {"id": record.id}
            data = picture(record)
            if data is not None:
                entry["image"] = f"images/{picture_name(record, data)}"
                (folder / entry["image"]).write_bytes(data)
            entry["conversations"] = _turns(record, selection, pictured=data is not None)
            file.write(separator + json_text(entry, in_order=True))
            separator = ",\n"
        file.write("\n]\n")


def _turns(record: CotRecord, selection: Selection, *, pictured: bool) -> list[dict[str, str]]:
    turns: list[dict[str, str]] = []
    for question, answer in rounds.rounds(record, selection.labels):
        mark = f"{_IMAGE}\n" if pictured and not turns else ""
        said = answer.replace(_IMAGE, "image")  # the mark in a text would count as a second picture
        turns += [{"from": "human", "value": mark + question}, {"from": "gpt", "value": said}]
    return turns
