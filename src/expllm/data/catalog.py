"""Which kinds of data sets there are, and how one is told from another by what is in it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from expllm.core.errors import MissingData, UsageError
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data import people
from expllm.data.dataset import Dataset, DatasetSource, survey
from expllm.data.readers import (
    affectnet,
    au_rows,
    ckplus,
    class_folders,
    cot_texts,
    csv_table,
    expw,
    fer2013,
    ferplus,
    named_files,
    parquet_images,
    rafdb,
    yolo,
)
from expllm.data.readers.cells import split_name, undecodable
from expllm.data.readers.shards import find_shards
from expllm.data.unknown_layout import what_to_do

SEE_DOCS: Final = "; see docs/data.md"
_TABLE_SUFFIXES: Final = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")


def _ferplus(path: Path) -> DatasetSource:
    shards = [] if ferplus.is_folder(path) else find_shards(path)
    votes = [shard for shard in shards if _is_parquet(shard.path) and ferplus.is_ferplus(shard)]
    if votes:
        return ferplus.load_parquet(votes)
    if ferplus.is_folder(path):
        return ferplus.load_folder(path)
    return fer2013.load_fer2013(path, "ferplus") if fer2013.is_fer2013(path) else _by_order("ferplus", path)


def _fer2013(path: Path) -> DatasetSource:
    return fer2013.load_fer2013(path, "fer2013") if fer2013.is_fer2013(path) else _by_order("fer2013", path)


def _ckplus(path: Path) -> DatasetSource:
    return (
        ckplus.load_ckplus(path) if path.is_dir() or fer2013.is_fer2013(path) else _by_order("ckplus", path)
    )


def _rafdb(path: Path) -> DatasetSource:
    if path.is_file() or (not rafdb.is_rafdb(path) and class_folders.is_class_tree(path, rafdb.RAFDB_ORDER)):
        return _by_order("rafdb", path)
    return rafdb.load_rafdb(path)


def _affectnet(kind: str) -> Callable[[Path], DatasetSource]:
    def load(path: Path) -> DatasetSource:
        if path.is_file():
            return _by_order(kind, path)
        if affectnet.is_affectnet(path):
            return affectnet.load_affectnet(path, kind)
        labels = LABEL_ORDERS[kind].labels
        if yolo.is_yolo(path):
            return yolo.load_yolo(path, kind, labels)
        if class_folders.is_class_tree(path, affectnet.AFFECTNET_ORDER):
            return class_folders.load_class_folders(path, affectnet.AFFECTNET_ORDER, kind, labels)
        return affectnet.load_affectnet(path, kind)

    return load


def _by_order(kind: str, path: Path) -> DatasetSource:
    """Class folders or a CSV with the numbers of a data set."""
    order = LABEL_ORDERS[kind]
    return (
        class_folders.load_class_folders(path, order, kind)
        if path.is_dir()
        else csv_table.load_csv(path, order, kind)
    )


def _expw(path: Path) -> DatasetSource:
    if path.is_file() or (not expw.is_expw(path) and class_folders.is_class_tree(path, expw.EXPW_ORDER)):
        return _by_order("expw", path)
    return expw.load_expw(path)


def _parquet(path: Path) -> DatasetSource:
    shards = find_shards(path)
    if not shards:
        raise MissingData(f"{path}: no Parquet file there")
    families = sorted({shard.family for shard in shards})
    if len(families) > 1:
        raise UsageError(
            f"{path} holds several data sets: give one of {', '.join(families)} after the folder"
        )
    return (
        ferplus.load_parquet(shards)
        if ferplus.is_ferplus(shards[0])
        else parquet_images.load_parquet_images(shards)
    )


def _texts(kind: str) -> Callable[[Path], DatasetSource]:
    return lambda path: cot_texts.load_cot_texts(path, kind)


def _class_folders(path: Path) -> DatasetSource:
    return class_folders.load_class_folders(path)


def _table(path: Path) -> DatasetSource:
    return csv_table.load_csv(path)


def _measured(path: Path) -> DatasetSource:
    return au_rows.load_au_rows(path)


DATASET_KINDS: Final[Mapping[str, Callable[[Path], DatasetSource]]] = MappingProxyType(
    {
        "rafdb": _rafdb,
        "affectnet7": _affectnet("affectnet7"),
        "affectnet8": _affectnet("affectnet8"),
        "ferplus": _ferplus,
        "fer2013": _fer2013,
        "expw": _expw,
        "ckplus": _ckplus,
        "jaffe": lambda path: named_files.load_named_files(path, named_files.JAFFE),
        "kdef": lambda path: named_files.load_named_files(path, named_files.KDEF),
        "yolo": yolo.load_yolo,
        "parquet": _parquet,
        "reference": _texts("reference"),
        "released": _texts("released"),
        "folder": _class_folders,
        "csv": _table,
        au_rows.KIND: _measured,
    }
)
"""Kind -> what reads it. A further kind is one more entry: a function from a path to a `DatasetSource`."""


LAYOUTS: Final[tuple[tuple[Callable[[Path], bool], Callable[[Path], DatasetSource]], ...]] = (
    (rafdb.is_rafdb, rafdb.load_rafdb),
    (affectnet.is_affectnet, lambda path: affectnet.load_affectnet(path, "affectnet8")),
    (yolo.is_yolo, yolo.load_yolo),
    (ferplus.is_folder, ferplus.load_folder),
    (expw.is_expw, expw.load_expw),
    (ckplus.is_ckplus, ckplus.load_ckplus),
    (lambda path: named_files.is_named_files(path, named_files.JAFFE), DATASET_KINDS["jaffe"]),
    (lambda path: named_files.is_named_files(path, named_files.KDEF), DATASET_KINDS["kdef"]),
    (class_folders.is_class_tree, class_folders.load_class_folders),
    (fer2013.is_fer2013, fer2013.load_fer2013),
)
"""How a folder's layout is told, and what reads it; the first that fits is taken."""


def open_dataset(spec: str, *, split: str | None = None, kind: str | None = None) -> Dataset:
    """Opens a data set and looks through it once; no picture is read.

    Args:
        spec: A file or folder, with `:train`, `:valid` or `:test` behind it if wanted. Parquet shards may be
            named by what their names have in common: `data/ferplus:test`. Of ExpW `:3000@0` draws 3,000
            faces under the seed 0. `:train` and `:valid` of a data set that names all its people, and sets
            none apart, are drawn by person; of class folders, by picture where no person is named
            (`data.people`).
        split: The split, if `spec` does not say it; all by default.
        kind: How to read it, a key of `DATASET_KINDS`; by default what it looks like. AffectNet is read
            with eight expressions unless `affectnet7` is said; class folders named by numbers need a kind.

    Raises:
        MissingData: it, a file it needs or all of its pictures are not there.
        RecordError: it is damaged, of no known kind, or has an id twice.
        UsageError: no such kind or split, or several data sets in one folder.
    """
    path, wanted = _path_and_split(spec, split)
    if kind is not None and kind not in DATASET_KINDS:
        raise UsageError(f"no kind of data set is called {kind!r}: there are {', '.join(DATASET_KINDS)}")
    if undecodable(str(path.absolute())):
        raise MissingData(f"{path}: a name in this path is not valid UTF-8: rename it")
    if not path.exists() and not find_shards(path):
        raise MissingData(f"{path}: no such file or folder; docs/data.md says how to obtain each data set")
    source = DATASET_KINDS[kind](path.absolute()) if kind else _source(path.absolute())
    if source.kind == "expw" and (draw := expw.read_draw(wanted)):
        source = expw.with_drawn_split(source, draw)
    elif wanted in people.DRAWN and (parts := people.people_parts(source)):
        if wanted not in parts:
            raise MissingData(f"{path}: too few people or pictures for a part {wanted!r}: give more")
        source = people.by_person(source)
    return survey(replace(source, path=str(path)), wanted)


def _path_and_split(spec: str, split: str | None) -> tuple[Path, str | None]:
    wanted = split and (split_name(split) or split)
    head, colon, tail = spec.rpartition(":")
    if not colon or not head or Path(spec).exists() or "/" in tail or "\\" in tail:
        return Path(spec), wanted
    named = split_name(tail) or tail
    if wanted not in (None, named):
        raise UsageError(f"{spec} asks for the split {named!r}, and the option for {wanted!r}: give one")
    return Path(head), named


def _source(path: Path) -> DatasetSource:
    """By what is there."""
    if path.is_dir():
        return _folder_source(path)
    if not path.exists() or _is_parquet(path):
        return _parquet(path)
    if fer2013.is_fer2013(path):
        return fer2013.load_fer2013(path)
    if found := cot_texts.texts_kind(path):
        return cot_texts.load_cot_texts(path, found)
    return csv_table.load_csv(path)


def _folder_source(path: Path) -> DatasetSource:
    for is_there, load in LAYOUTS:
        if is_there(path):
            return load(path)
    families = sorted({shard.family for shard in find_shards(path)})
    tables = sorted(child for child in path.iterdir() if _is_table(child))
    names = [*families, *(table.name for table in tables)]
    if len(names) > 1:
        raise UsageError(f"{path} holds several data sets: give one of {', '.join(names)} after the folder")
    if families:
        return _parquet(path)
    if tables:
        return _source(tables[0])
    if class_folders.is_numbered_tree(path):
        raise UsageError(f"{path}: class folders are named by numbers: {class_folders.ASK_KIND}")
    todo = what_to_do(path, _holds_one, _source).removesuffix(SEE_DOCS)
    raise MissingData(
        f"{path}: no data set in a known layout (class folders, a table, Parquet, ...): {todo}{SEE_DOCS}"
    )


def _holds_one(path: Path) -> bool:
    return any(is_there(path) for is_there, _ in LAYOUTS) or any(_is_table(child) for child in path.iterdir())


def _is_table(path: Path) -> bool:
    if path.suffix.lower() not in _TABLE_SUFFIXES or not path.is_file():
        return False
    if cot_texts.texts_kind(path) is not None:
        return True
    return csv_table.is_face_table(csv_table.read_header(path))


def _is_parquet(path: Path) -> bool:
    return _starts_with(path, b"PAR1")


def _starts_with(path: Path, *marks: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise MissingData(f"{path}: cannot be read ({error.strerror})") from None
    return start.startswith(marks)
