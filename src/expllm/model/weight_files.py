"""The files of a checkpoint as `transformers` lays it out: which there must be, and whether they are whole.

Looked at before anything is loaded. No weight is read: only headers, and of pickled files the names, by
PyTorch's restricted reader.
"""

import json
import pickle
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open

from expllm.core.errors import MissingDependency, MissingWeights
from expllm.model.manifest import ModelError
from expllm.model.quiet import quiet_transformers
from expllm.model.tensors import load_weights, scale_name
from expllm.model.weight_keys import UNUSED, Differences, check_keys, reason

FORMS: Final = (("model", ".safetensors"), ("pytorch_model", ".bin"))
"""Beginnings and ends of file names, in the order in which they are looked for; as `transformers` does."""
TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model", "vocab.json")
LFS: Final = b"version https://git-lfs.github.com/spec/"
"""How a file begins that stands for a large one in a clone without Git LFS."""


@dataclass(frozen=True)
class WeightFiles:
    """The weights in a folder.

    Attributes:
        files: With all tensors between them.
        index: What says which tensor lies in which file; None: there is one file.
    """

    files: tuple[Path, ...]
    index: Path | None = None

    @property
    def missing(self) -> tuple[Path, ...]:
        """Files that the index names and that are not there."""
        return tuple(path for path in self.files if not path.is_file())


def weight_files(folder: Path) -> WeightFiles | None:
    """The files that hold a folder's weights, there or not; None: there is no sign of any.

    Raises:
        MissingWeights: the index cannot be read.
    """
    for stem, end in FORMS:
        single, index = folder / f"{stem}{end}", folder / f"{stem}{end}.index.json"
        if single.is_file():
            return WeightFiles((single,))
        if index.is_file():
            names = sorted(set(_weight_map(index).values()))
            return WeightFiles(tuple(folder / name for name in names), index)
    return None


def checked_files(folder: Path, again: str) -> WeightFiles:
    """The weight files of a folder, all of them there and whole.

    Args:
        again: How to get a file again, as in "run 'hf download ...'".

    Raises:
        MissingWeights: one is missing, empty, cut short, or stands for one that was not downloaded.
        ModelError: the index and the files do not name the same tensors.
    """
    found = weight_files(folder)
    if found is None:
        raise MissingWeights(
            f"{folder}: holds no weights (model.safetensors, or pytorch_model.bin, or their pieces with an "
            f"index): {again}"
        )
    if found.missing:
        named = f", which {found.index.name} names," if found.index else ""
        raise MissingWeights(f"{found.missing[0]}{named} is missing: {again}")
    check_names(found, [tensor_shapes(path, again) for path in found.files])
    return found


def check_names(found: WeightFiles, shapes: Sequence[Mapping[str, Any]]) -> None:
    """Holds the index against what the files hold.

    Raises:
        ModelError: a tensor is in the one and not in the other, or in two files.
    """
    counts = Counter(name for names in shapes for name in names)
    twice = tuple(name for name, count in counts.items() if count > 1)
    check_keys(found.files[0].parent, Differences(unexpected=twice), "it lies in two files: remove one")
    if found.index is None:
        return
    listed = {name for name in _weight_map(found.index) if reason(name, UNUSED) is None}
    problems = Differences(tuple(listed - counts.keys()), tuple(counts.keys() - listed))
    check_keys(found.index, problems, "it is not the index of the files beside it")


def tensor_shapes(path: Path, again: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a file's tensors, which are not read; the scales of those in 8 bits are left out.

    Raises:
        MissingWeights: it is empty, cut short or damaged, holds code, or is a pointer of Git LFS.
    """
    check_no_pointer(path, again)
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                names = [*file.keys()]
                packed = [name for name in names if file.get_slice(name).get_dtype() == "I8"]
                whole = [name for name in names if name not in {*map(scale_name, packed)}]
                return {name: tuple(file.get_slice(name).get_shape()) for name in whole}
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error, again) from None
    return {name: tuple(tensor.shape) for name, tensor in unpickled(path, again, "meta").items()}


def unpickled(path: Path, again: str, device: str = "cpu") -> dict[str, torch.Tensor]:
    """Tensors of a pickled file, by name. Nothing in it can run.

    Args:
        device: "meta" reads no tensor.

    Raises:
        MissingWeights: it is cut short or damaged.
        ModelError: it may run code, or holds something else than tensors.
    """
    try:
        with quiet_transformers():  # PyTorch warns of old pickles before it refuses them
            held: Any = torch.load(path, map_location=device, weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: PyTorch's restricted reader refuses it ({_first_line(error)}): it is damaged, or holds "
            "code"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise _damaged(path, error, again) from None
    if not isinstance(held, dict) or not all(isinstance(one, torch.Tensor) for one in held.values()):
        raise ModelError(
            f"{path}: holds something else than tensors by name: give the model's own checkpoint"
        )
    return held


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, by key.

    Args:
        path: A file, or the folder with its pieces.

    Raises:
        MissingWeights: there is none, or one of its files is missing or damaged.
        ModelError: a file may run code, or holds something else than tensors.
    """
    again = "copy the whole checkpoint again"
    files = _pieces(path, again) if path.is_dir() else (path,)
    if not files or not path.exists():
        raise MissingWeights(
            f"{path}: no checkpoint is there: give the file, or the folder with its pieces{_below(path)}"
        )
    state: dict[str, torch.Tensor] = {}
    for file in files:
        check_no_pointer(file, again)
        state |= load_weights(file) if file.suffix == ".safetensors" else unpickled(file, again)
    return state


def _below(folder: Path) -> str:
    """Which folders in a folder hold weights, to choose from."""
    found = sorted({path.parent.name for stem, end in FORMS for path in folder.glob(f"*/{stem}*{end}")})
    return f", such as {', '.join(found)} in it" if found else ""


def _pieces(folder: Path, again: str) -> tuple[Path, ...]:
    """The files of a checkpoint; where no index lies beside them, their names say how many there are."""
    if weight_files(folder) is not None:
        return checked_files(folder, again).files
    found = next((found for stem, end in FORMS if (found := sorted(folder.glob(f"{stem}-*{end}")))), [])
    counts = {int(match[1]) for path in found if (match := re.search(r"-of-(\d+)$", path.stem))}
    if counts and counts != {len(found)}:
        raise MissingWeights(f"{folder}: {len(found)} of {max(counts)} pieces are there: {again}")
    return tuple(found)


def _damaged(path: Path, error: BaseException, again: str) -> MissingWeights:
    size = path.stat().st_size
    return MissingWeights(f"{path}: is cut short or damaged ({size:,} bytes; {_first_line(error)}): {again}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120].rstrip(".:")


def check_tokenizer(folder: Path, again: str) -> None:
    """Looks whether a folder's tokenizer can be read.

    `transformers` makes an empty one where there is none, and takes what it cannot read for one of tiktoken.

    Raises:
        MissingWeights: there is none, or it is damaged.
        MissingDependency: sentencepiece is not installed.
    """
    names = [name for name in TOKENIZERS if (folder / name).is_file()]
    if not names:
        raise MissingWeights(f"{folder}: holds no tokenizer ({' or '.join(TOKENIZERS)}): {again}")
    for name in names:
        check_no_pointer(folder / name, again)
    if names != ["tokenizer.model"]:
        return
    if find_spec("sentencepiece") is None:
        raise MissingDependency(
            f"{folder / names[0]}: needs sentencepiece: run \"pip install 'expllm[model]'\""
        )
    import sentencepiece

    try:
        sentencepiece.SentencePieceProcessor(model_file=str(folder / names[0]))
    except (OSError, RuntimeError):
        raise MissingWeights(f"{folder / names[0]}: sentencepiece cannot read it: {again}") from None


def check_no_pointer(path: Path, again: str) -> None:
    """Refuses what a download leaves where it has not come to the weights.

    Raises:
        MissingWeights: the file is empty, or a pointer of Git LFS.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(LFS))
    except OSError as error:
        raise MissingWeights(f"{path}: cannot be read ({error.strerror}): {again}") from None
    if not start:
        raise MissingWeights(f"{path}: is empty: {again}")
    if start == LFS:
        raise MissingWeights(
            f"{path}: is a Git LFS pointer, not the file itself: run 'git lfs pull' in {path.parent}, or "
            f"{again}"
        )


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _weight_map(index: Path) -> dict[str, str]:
    try:
        found = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        if not all(Path(name).name == name for name in found.values()):
            raise ValueError("a file's name is none")
        return dict(found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MissingWeights(f"{index}: cannot be read as an index ({error}): download it again") from None
