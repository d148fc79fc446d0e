"""Events and episodes for ELAN: one tier a person and unit, with what is annotated in milliseconds."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from expllm.files.atomic import whole_file
from expllm.video.events import Episode, Event

_SCHEMA: Final = "http://www.mpi.nl/tools/elan/EAFv2.8.xsd"
_DATE: Final = "1970-01-01T00:00:00+00:00"
"""The same analysis gives the same bytes, whenever it is written."""


def write_elan(
    path: Path, media: str, mime: str, episodes: Sequence[Episode], events: Sequence[Event]
) -> None:
    """Writes an annotation document of format 2.8.

    Args:
        path: The file.
        media: Where the video is, as a path from the file.
        mime: Its type, such as `video/mp4`.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path, "wb") as file:
        file.write(elan_document(media, mime, episodes, events))


def elan_document(media: str, mime: str, episodes: Sequence[Episode], events: Sequence[Event]) -> bytes:
    """The document as XML; arguments as of `write_elan`."""
    tiers: dict[str, list[tuple[float, float, str]]] = {}
    for episode in episodes:
        label = "" if episode.expression is None else episode.expression.value
        tiers.setdefault(f"{episode.person}: episode", []).append((episode.start, episode.end, label))
        if episode.cot is not None:
            tiers.setdefault(f"{episode.person}: explanation", []).append(
                (episode.start, episode.end, episode.cot.text)
            )
    for event in events:
        flags = f" ({', '.join(event.flags)})" if event.flags else ""
        text = f"{event.letter} {event.peak:.2f}{flags}"
        tiers.setdefault(f"{event.person}: {event.unit}", []).append((event.onset, event.offset, text))
    root = _document(media, mime, {name: _apart(tier) for name, tier in tiers.items()})
    ET.indent(root)
    file = io.BytesIO()
    ET.ElementTree(root).write(file, encoding="UTF-8", xml_declaration=True)
    return file.getvalue()


def _apart(tier: list[tuple[float, float, str]]) -> list[tuple[int, int, str]]:
    """Annotations of a tier in milliseconds: rising, not empty, not overlapping, as ELAN wants them."""
    done: list[tuple[int, int, str]] = []
    for start, end, text in sorted(tier):
        first = max(round(1000 * start), done[-1][1] if done else 0)
        done.append((first, max(round(1000 * end), first + 1), text))
    return done


def _document(media: str, mime: str, tiers: Mapping[str, Sequence[tuple[int, int, str]]]) -> ET.Element:
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "ExpLLM", "DATE": _DATE, "FORMAT": "2.8", "VERSION": "2.8",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )  # fmt: skip
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    where = {"MEDIA_URL": media, "RELATIVE_MEDIA_URL": media, "MIME_TYPE": mime}
    ET.SubElement(header, "MEDIA_DESCRIPTOR", where)
    order = ET.SubElement(root, "TIME_ORDER")
    slots = 0
    for name, tier in tiers.items():
        held = ET.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": "default-lt", "TIER_ID": name})
        for start, end, text in tier:
            refs = []
            for time in (start, end):
                slots += 1
                refs.append(f"ts{slots}")
                ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": refs[-1], "TIME_VALUE": str(time)})
            annotation = ET.SubElement(held, "ANNOTATION")
            aligned = ET.SubElement(
                annotation, "ALIGNABLE_ANNOTATION",
                {"ANNOTATION_ID": f"a{slots // 2}", "TIME_SLOT_REF1": refs[0], "TIME_SLOT_REF2": refs[1]},
            )  # fmt: skip
            ET.SubElement(aligned, "ANNOTATION_VALUE").text = text
    ET.SubElement(
        root, "LINGUISTIC_TYPE",
        {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "default-lt", "TIME_ALIGNABLE": "true"},
    )  # fmt: skip
    return root
