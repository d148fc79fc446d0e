"""Published explanations with their action units, as JSON or JSON Lines.

Two formats, told apart by what is in them: the released ExpLLM JSON (`file_name`, `emo`, `au` as 24 numbers,
`description`), and lines with named units (`id`, `expression`, `aus`, `cot`; a unit that is absent is 0). An
output of `expllm analyze` is read for its action units; its expression is a guess and no label.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from expllm.data.cells import any_split, find_picture, read_label
from expllm.data.dataset import Source
from expllm.data.sample import ImageRef, Row, Sample
from expllm.errors import RecordError, VocabularyError
from expllm.faces import LABEL_ORDERS, AUVector, label_set
from expllm.records import CoT

KIND_BY_KEY = {"au": "released", "aus": "reference"}
SOURCE_BY_KIND = {"released": "expllm-released", "reference": "expllm-reference"}


def kind_of(path: Path) -> str | None:
    """`released` or `reference` by the first row; None if it is neither."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            start = file.read(1 << 16)
    except (OSError, UnicodeDecodeError):
        return None
    if start.lstrip()[:1] not in ("{", "["):
        return None
    try:
        first = next((row for _, row in _objects(path)), {})
    except RecordError:
        return None
    return next((kind for key, kind in KIND_BY_KEY.items() if key in first), None)


def load(path: Path, kind: str) -> Source:
    """A file of texts. Its label set is the seven expressions, or eight if contempt is among its labels."""
    labels = label_set(7) if _only_seven(path) else label_set(8)
    return Source(path.name, kind, lambda: _rows(path), labels)


def _only_seven(path: Path) -> bool:
    seven = LABEL_ORDERS["affectnet7"].labels
    return all(row.sample is None or row.sample.expression in (None, *seven) for row in _rows(path))


def _rows(path: Path) -> Iterator[Row]:
    for number, values in _objects(path):
        where = f"row {number}"
        split = any_split(values.get("split"))
        try:
            sample, content = _sample(values, where, path.parent, split)
        except (VocabularyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            yield Row(where, reason=" ".join(str(error).split())[:300], split=split)
        else:
            yield Row.of(where, sample, content)


def _sample(values: Mapping[str, Any], where: str, folder: Path, split: str | None) -> tuple[Sample, str]:
    if "status" in values and "writer" in values:
        return _of_engine(values, split)
    aus, source = _aus(values)
    own = "status" in values  # of expllm analyze: its expression is no label
    label = values.get("expression", values.get("emo"))
    name = values.get("file_name", values.get("input"))
    image, content = find_picture(folder, str(name)) if name else (None, "")
    if not isinstance(image, ImageRef):
        content = ""
    text = None if own else values.get("cot", values.get("description"))
    identity = values.get("identity")
    sample = Sample(
        id=str(values.get("id") or name or where),
        expression=None if own else read_label(label),
        aus=aus,
        image=image,
        split=split,
        identity=None if identity is None else str(identity),
        text=None if text is None else str(text),
        au_source=str(values.get("au_source") or source) if aus is not None else None,
    )
    return sample, content


def _of_engine(values: Mapping[str, Any], split: str | None) -> tuple[Sample, str]:
    """A row of `expllm cot export --to jsonl`: its label is one, and its text was checked."""
    cot, aus, image = values.get("cot"), values.get("aus"), values.get("image")
    sample = Sample(
        id=str(values["id"]),
        expression=read_label(values.get("expression")),
        aus=None if aus is None else AUVector(aus),
        image=None if image is None else ImageRef.from_dict(image),
        split=split,
        text=None if cot is None else CoT.from_dict(cot).text,
        au_source=values.get("au_source"),
    )
    return sample, ""


def _aus(values: Mapping[str, Any]) -> tuple[AUVector | None, str]:
    """The action units of a row and their format."""
    if "au" in values:
        return AUVector.from_array(values["au"]), SOURCE_BY_KIND["released"]
    units = values.get("aus")
    if units is None:
        if "status" in values:
            return None, ""
        raise VocabularyError("neither 'au' (24 numbers) nor 'aus' (names and intensities)")
    if "status" in values:
        return AUVector(units), "expllm"
    return AUVector.from_positive(units), SOURCE_BY_KIND["reference"]


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number from 1, object) of each row; JSON Lines are read line by line, a list at once."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            if _is_list(path):
                values = json.load(file)
                numbered: Iterator[tuple[int, Any]] = iter(enumerate(values, start=1))
            else:
                numbered = ((n, json.loads(line)) for n, line in enumerate(file, start=1) if line.strip())
            for number, row in numbered:
                if not isinstance(row, dict):
                    raise RecordError(f"{path}: row {number} is not a JSON object")
                yield number, row
    except json.JSONDecodeError as error:
        raise RecordError(f"{path}: not JSON, or cut short ({error})") from None
    except RecursionError:
        raise RecordError(f"{path}: the JSON is nested too deeply") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read as text ({error})") from None


def _is_list(path: Path) -> bool:
    with open(path, encoding="utf-8-sig") as file:
        for line in file:
            if line.strip():
                return line.lstrip().startswith("[")
    return False
