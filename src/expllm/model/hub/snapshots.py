"""Locates the weights of a base model: a folder, the Hub's cache, or the Hub, at a pinned revision.

What was read can be told later and elsewhere: a repository of the hub by its commit, a folder by the SHA-256
of its files.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import MissingWeights, UsageError
from expllm.model.manifest import sha256
from expllm.model.presets import LanguageConfig, Preset, VisionConfig
from expllm.model.weight_files import FORMS, check_no_pointer, weight_files

BESIDE: Final = ("*.json", "*.model", "*.txt", "*.jinja")
"""Files of a repository that are no weights: configuration, tokenizer, templates."""
_CACHED: Final = "models--"
"""Begins the name of a repository's folder in the hub's cache."""
DIGEST: Final = "sha256:"
"""Begins the revision of a folder."""


@dataclass(frozen=True)
class Snapshot:
    """The files of a base model at one revision.

    Attributes:
        source: Name on the hub, or an absolute folder.
        revision: Commit; of a folder `sha256:` and the hash of its files.
    """

    source: str
    revision: str
    folder: Path

    @property
    def local(self) -> bool:
        """Whether it is a folder of the user's own."""
        return self.revision.startswith(DIGEST)

    @property
    def again(self) -> str:
        """What to do where a file is missing or damaged."""
        if self.local:
            return "copy or download it again"
        at = f" --revision {self.revision}"
        return f"run 'hf download {self.source}{at} --force-download', or give a folder that holds it"

    def config(self) -> dict[str, Any]:
        """What `config.json` says.

        Raises:
            MissingWeights: it is missing or cannot be read.
        """
        path = self.folder / "config.json"
        try:
            check_no_pointer(path, self.again)
            found = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(found, dict):
                raise ValueError("no object")
        except (OSError, ValueError) as error:
            raise MissingWeights(f"{path}: cannot be read ({error}): {self.again}") from None
        return found


def find_snapshot(source: str, revision: str | None = None) -> Snapshot | None:
    """The snapshot on this machine, if any; no network is used.

    Args:
        source: A folder, or a name on the hub.
        revision: Commit, branch or tag; of a folder what `Snapshot.revision` was.

    Raises:
        MissingWeights: the folder is not there, or holds other files than at that revision.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return _of_folder(path.resolve(), revision)
    if revision is not None and revision.startswith(DIGEST):
        raise MissingWeights(
            f"{source}: the folder is not there, and the model's base weights were read from it: put it "
            "back, or a link to where it is now"
        )
    _check_name(source)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(source, "config.json", revision=revision)
    if not isinstance(found, str):
        return None
    return Snapshot(source, Path(found).parent.name, Path(found).parent)


def kept(name: str) -> Path:
    """A file or folder on this machine, or what `hf download` put into the cache; no network is used.

    Args:
        name: A path, or OWNER/NAME on the hub, or a folder in that, OWNER/NAME/FOLDER.

    Raises:
        MissingWeights: neither is here.
    """
    path = Path(name).expanduser()
    if path.exists() or path.is_absolute() or len(path.parts) == 1:
        return path
    source, inside = "/".join(path.parts[:2]), path.parts[2:]
    try:
        _check_name(source)
        found = find_snapshot(source) or _snapshot(source)
    except MissingWeights:
        found = None
    if found is None:
        from huggingface_hub.constants import HF_HUB_CACHE

        raise MissingWeights(
            f"{name}: no such file or folder, and no such repository in {HF_HUB_CACHE}: give the path, or "
            f"run 'hf download {source}'"
        )
    return found.folder.joinpath(*inside)


def _snapshot(source: str) -> Snapshot | None:
    """A repository in the cache whose `config.json`, if any, lies in a folder of its own."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(source, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return Snapshot(source, folder.name, folder)


def recorded_source(path: Path) -> str:
    """How a file or folder is written down: in the hub's cache by repository and commit, else by its name."""
    parts = path.absolute().parts
    for number, part in enumerate(parts[:-2]):
        if part.startswith(_CACHED) and parts[number + 1] == "snapshots":
            inside = "/".join(parts[number + 3 :])
            source = part.removeprefix(_CACHED).replace("--", "/")
            return f"{source}@{parts[number + 2]}" + (f": {inside}" if inside else "")
    return path.name


def fetch_snapshot(source: str, revision: str | None = None, *, weights: bool = False) -> Snapshot:
    """What is to be read, downloaded where it is not here yet.

    Args:
        source, revision: As `find_snapshot`.
        weights: Also the weights, not configuration and tokenizer alone.

    Raises:
        MissingWeights: as `find_snapshot`; the hub cannot be reached, or has no such model.
    """
    found = find_snapshot(source, revision)
    if found is not None and (found.local or (found.revision == revision and (_whole(found) or not weights))):
        return found
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError

    try:
        return _downloaded(source, revision, weights)
    except LocalEntryNotFoundError as error:  # no network, or it is not to be used
        if found is not None:
            return found
        raise _unreachable(source, error) from None
    except GatedRepoError:
        raise MissingWeights(
            f"{source}: access requires accepting its terms: do so at https://huggingface.co/{source}, then "
            "run 'hf auth login'"
        ) from None
    except (OSError, ValueError) as error:
        raise _unreachable(source, error) from None


def _downloaded(source: str, revision: str | None, weights: bool) -> Snapshot:
    """Of several forms of the weights the first: many repositories hold them twice."""
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download(source, revision=revision, allow_patterns=[*BESIDE]))
    found = Snapshot(source, folder.name, folder)
    for stem, end in FORMS if weights else ():
        if not _whole(found):
            snapshot_download(source, revision=found.revision, allow_patterns=[f"{stem}*{end}"])
    return found


def resolve_revisions(preset: Preset, *, online: bool = True) -> Preset:
    """The preset with the sizes and the revisions of the checkpoints that it names.

    Args:
        online: Fetch what is not here; else a part that is not here stays as the preset has it.

    Raises:
        MissingWeights: as `fetch_snapshot`.
        UsageError: a checkpoint is of another architecture.
    """
    look = fetch_snapshot if online else find_snapshot
    if preset.hf is not None:
        found = look(preset.hf, preset.revision)
        return preset if found is None else replace(preset, hf=found.source, revision=found.revision)
    tower, language = preset.tower, preset.language
    if tower.source is not None and (found := look(tower.source, tower.revision)):
        tower = _settled_tower(tower, found)
    hub = language.source is not None and language.weights == "hub"
    if hub and (found := look(str(language.source), language.revision)):
        language = _settled_language(language, found)
    return replace(preset, tower=tower, language=language)


def _settled_tower(tower: VisionConfig, found: Snapshot) -> VisionConfig:
    config = found.config()
    _check_kind(found, config, "dinov2", "the vision encoder")
    image, patch = _number(config, "image_size", 224), _number(config, "patch_size", 14)
    return replace(
        tower, source=found.source, revision=found.revision, hidden=_number(config, "hidden_size", 768),
        layers=_number(config, "num_hidden_layers", 12), heads=_number(config, "num_attention_heads", 12),
        patch=patch, native_image=image, mlp_ratio=_number(config, "mlp_ratio", 4),
    )  # fmt: skip


def _settled_language(language: LanguageConfig, found: Snapshot) -> LanguageConfig:
    config = found.config()
    _check_kind(found, config, "llama", "the language model")
    heads = _number(config, "num_attention_heads", 32)
    rope = {**(config.get("rope_parameters") or {}), **config}
    return replace(
        language, source=found.source, revision=found.revision, hidden=_number(config, "hidden_size", 4096),
        layers=_number(config, "num_hidden_layers", 32), heads=heads,
        kv_heads=_number(config, "num_key_value_heads", heads),
        intermediate=_number(config, "intermediate_size", 11008),
        vocabulary=_number(config, "vocab_size", 32000),
        context=_number(config, "max_position_embeddings", 2048),
        tied=bool(config.get("tie_word_embeddings", False)),
        rope_theta=float(rope.get("rope_theta", 10_000.0)),
    )  # fmt: skip


def _number(config: dict[str, Any], key: str, otherwise: int) -> int:
    """A size; what a configuration leaves out is what its class in `transformers` takes."""
    value = config.get(key)
    return otherwise if value is None else int(value)


def _check_kind(found: Snapshot, config: dict[str, Any], kind: str, part: str) -> None:
    if config.get("model_type") != kind:
        raise UsageError(
            f"{found.source}: model_type is {config.get('model_type')!r} in its config.json, and {part} of "
            f"this preset has to be {kind!r}: give another one"
        )


def _of_folder(folder: Path, revision: str | None) -> Snapshot:
    found = Snapshot(str(folder), DIGEST + _digest(folder), folder)
    if revision is not None and revision.startswith(DIGEST) and revision != found.revision:
        raise MissingWeights(
            f"{folder}: holds other files than those that were read before ({found.revision}, not "
            f"{revision}): put them back, or begin again"
        )
    return found


def _digest(folder: Path) -> str:
    """Of the files that are read: names and contents alone, so that a folder may be moved or copied."""
    weights = weight_files(folder)
    files = {path for pattern in BESIDE for path in folder.glob(pattern) if path.is_file()}
    files |= {path for path in (weights.files if weights else ()) if path.is_file()}
    digest = hashlib.sha256()
    for path in sorted(files):
        stat = path.stat()
        digest.update(f"{path.name}\0{_file_digest(path, stat.st_size, stat.st_mtime_ns)}\n".encode())
    return digest.hexdigest()


@cache
def _file_digest(path: Path, _size: int, _changed: int) -> str:
    """Once for each state of a file: large ones take seconds, and each stage of a training asks for them."""
    return sha256(path)


def _whole(found: Snapshot) -> bool:
    files = weight_files(found.folder)
    return files is not None and not files.missing


def _check_name(source: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(source)
    except HFValidationError:
        raise MissingWeights(
            f"{source}: is neither a folder nor a name on the hub (OWNER/NAME): give one of them"
        ) from None


def _unreachable(source: str, error: BaseException) -> MissingWeights:
    from huggingface_hub.constants import HF_HUB_CACHE

    why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")
    return MissingWeights(
        f"{source}: the weights cannot be had ({why}; looked in {HF_HUB_CACHE}): check the name and the "
        "connection to the hub, or give a folder that holds them"
    )
