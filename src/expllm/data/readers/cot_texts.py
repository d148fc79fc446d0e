"""Published explanations with their action units, as JSON or JSON Lines.

Two formats, told apart by what is in them: the released ExpLLM JSON (`file_name`, `emo`, `au` as 24 numbers,
`description`), and lines with named units (`id`, `expression`, `aus`, `cot`; a unit that is absent is 0). An
output of `expllm analyze` is read for its action units; its expression is a guess and no label.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from expllm.core.errors import RecordError, VocabularyError
from expllm.core.records import CoT
from expllm.core.vocabulary import LABEL_ORDERS, AUVector, label_set
from expllm.data.dataset import DatasetSource
from expllm.data.readers import au_rows
from expllm.data.readers.cells import any_split, find_picture, read_label
from expllm.data.sample import DatasetRow, ImageRef, Sample
from expllm.faces.au_tables import AURow, format_of
from expllm.files.tabular import first_sign, json_rows

KIND_BY_KEY = {"au": "released", "aus": "reference"}


def texts_kind(path: Path) -> str | None:
    """`released`, `reference` or `aus` (an output of expllm or of a tool), by the first object; else None."""
    try:
        if first_sign(path) not in ("{", "["):
            return None
        names = tuple(next((row.cells for row in json_rows(path) if not row.problem), {}))
    except RecordError:
        return None
    if au_rows.is_au_table(names):
        return au_rows.KIND
    return next((kind for key, kind in KIND_BY_KEY.items() if key in names), None)


def load_cot_texts(path: Path, kind: str) -> DatasetSource:
    """A file of texts. Its label set is the seven expressions, or eight if contempt is among its labels."""
    if kind == au_rows.KIND:
        return au_rows.load_au_rows(path)
    labels = label_set(7) if _only_seven(path) else label_set(8)
    return DatasetSource(path.name, kind, lambda: _rows(path), labels)


def _only_seven(path: Path) -> bool:
    seven = LABEL_ORDERS["affectnet7"].labels
    return all(row.sample is None or row.sample.expression in (None, *seven) for row in _rows(path))


def _rows(path: Path) -> Iterator[DatasetRow]:
    for row in json_rows(path):
        where = f"row {row.number}"
        split = any_split(row.cells.get("split"))
        if row.problem:
            yield DatasetRow(where, reason=f"cannot be read: {row.problem}", split=split)
            continue
        try:
            yield _row(row.cells, where, path.parent, split)
        except (VocabularyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            yield DatasetRow(where, reason=" ".join(str(error).split())[:300], split=split)


def _row(values: Mapping[str, Any], where: str, folder: Path, split: str | None) -> DatasetRow:
    if "status" in values and "writer" in values:
        return DatasetRow.of(where, _of_engine(values, split))
    found = format_of(tuple(values))
    if found is None:
        raise VocabularyError("neither 'au' (24 numbers) nor 'aus' (names and intensities)")
    try:
        face = found.read(values, where)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else error
        raise VocabularyError(f"cannot be read: {told}") from None
    if found.own:
        return au_rows.row_of(where, values, face, folder)
    return DatasetRow.of(where, *_sample(values, face, where, folder, split))


def _sample(
    values: Mapping[str, Any], face: AURow, where: str, folder: Path, split: str | None
) -> tuple[Sample, str]:
    label = next((key for key in ("expression", "emo") if key in values), None)
    name = values.get("file_name", values.get("input"))
    image, content = find_picture(folder, str(name)) if name else (None, "")
    if not isinstance(image, ImageRef):
        content = ""
    text = values.get("cot", values.get("description"))
    identity = values.get("identity")
    sample = Sample(
        id=str(values.get("id") or name or where),
        expression=read_label(values[label]) if label else None,
        aus=face.aus,
        image=image,
        split=split,
        identity=None if identity is None else str(identity),
        text=None if text is None else str(text),
        au_source=str(values.get("au_source") or face.source),
    )
    return sample, content


def _of_engine(values: Mapping[str, Any], split: str | None) -> Sample:
    """A row of `expllm cot export --to jsonl`: its label is one, and its text was checked."""
    cot, aus, image = values.get("cot"), values.get("aus"), values.get("image")
    return Sample(
        id=str(values["id"]),
        expression=read_label(values.get("expression")),
        aus=None if aus is None else AUVector(aus),
        image=None if image is None else ImageRef.from_dict(image),
        split=split,
        text=None if cot is None else CoT.from_dict(cot).text,
        au_source=values.get("au_source"),
    )
