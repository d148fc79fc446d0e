"""Fits the readout of labels that a compact model has beside its language model, and puts it into its folder.

    python scripts/fit_label_head.py src/expllm/assets/compact --data ../shared/data --cache CACHE.npz

It is fitted on faces that the tower has not learned from: FER+ valid, and the portraits of the people who are
set apart for validation. Figures are those of five folds, a person in one of them alone; what is written is
fitted on all. The temperature is that of the folds. FER+ test is not read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import pyarrow.parquet as pq
import torch
from expression_figures import HEAD, figures, short
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tower_faces import LABELS, ferplus

from expllm.data.people import people_part
from expllm.evals.metrics.calibration import fit_temperature
from expllm.faces.boxes import boxed, crop
from expllm.faces.finder import FaceFinder
from expllm.files.images import open_image
from expllm.files.progress import Progress
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.label_head import LabelHead
from expllm.model.manifest import LABEL_HEAD, read_manifest, sha256, write_manifest
from expllm.model.tensors import save_weights

Array = NDArray[Any]
FOLDS: Final = 5
FEWEST: Final = 50
"""Faces of a class from which on balanced accuracy counts it."""


@dataclass(frozen=True)
class Faces:
    """Faces that the tower has not learned from.

    Attributes:
        features: [looks, N, width] what it sees of them.
        shares: [N, 8] of the votes.
        majority: [N] the label.
        people: [N] who it is; of FER+ each row is somebody else.
    """

    features: Array
    shares: Array
    majority: Array
    people: Array

    @property
    def width(self) -> int:
        return int(self.features.shape[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", type=Path, help="a folder; the head is put into it")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="where the features are kept")
    parser.add_argument(
        "--rare",
        type=float,
        nargs="+",
        default=[0.5],
        help="a portrait weighs 1 / (faces of its class) to this power; the last one is written",
    )
    parser.add_argument("--l2", type=float, nargs="+", default=[0.02], help="the last one is written")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    options = parser.parse_args()  # fmt: skip
    gray, photographs = faces_of(options.model, options.data, options.cache)
    print(
        "| rare | l2 |" + HEAD.splitlines()[0][1:] + " balanced |\n|---|---" + HEAD.splitlines()[1] + "---|"
    )
    for rare in options.rare:
        for l2 in options.l2:
            temperature = tell(gray, photographs, rare, l2)
    head = fitted(gray, photographs, rare, l2)
    if not options.dry_run:
        put_into(options.model, head, temperature)


def tell(gray: Faces, photographs: Faces, rare: float, l2: float) -> float:
    """Prints the figures of the folds; the temperature."""
    logs = out_of_folds(gray, photographs, rare, l2)
    temperature = fit_temperature(logs[0], gray.majority).value
    for name, found, faces in zip(("FER+ valid", "portraits"), logs, (gray, photographs), strict=True):
        scaled = found / temperature
        likely = np.exp(scaled - np.logaddexp.reduce(scaled, 1, keepdims=True))
        line = short(name, figures(likely, faces.majority, LABELS))
        print(f"| {rare} | {l2} {line} {balanced(likely.argmax(1), faces.majority):.4f} |", flush=True)
    print(f"temperature {temperature:.3f}")
    return temperature


def out_of_folds(gray: Faces, photographs: Faces, rare: float, l2: float) -> tuple[Array, Array]:
    """[N, 8] log-probabilities of each set by the head of the other folds."""
    sets = (gray, photographs)
    found = tuple(np.zeros((len(one.majority), len(LABELS))) for one in sets)
    folds = [_folds(one.people) for one in sets]
    for fold in range(FOLDS):
        held = [_at(one, numbers != fold) for one, numbers in zip(sets, folds, strict=True)]
        head = fitted(*held, rare, l2)
        for one, numbers, answers in zip(sets, folds, found, strict=True):
            mine = numbers == fold
            answers[mine] = head.log_probabilities(torch.from_numpy(one.features[:, mine])).numpy()
    return found[0], found[1]


def fitted(gray: Faces, photographs: Faces, rare: float, l2: float) -> LabelHead:
    """Multinomial logistic regression on the shares of the votes; each look of a face is a row."""
    counts = np.bincount(photographs.majority, minlength=len(LABELS))
    rarity = (1 / np.maximum(counts, 20.0)) ** rare
    weights = rarity[photographs.majority]
    parts = ((gray, np.ones(len(gray.majority))), (photographs, weights / weights.mean()))
    looks = len(gray.features)
    features = np.concatenate([one.features.reshape(-1, one.width) for one, _ in parts])
    shares = np.concatenate([np.concatenate([one.shares] * looks) for one, _ in parts])
    rows = np.concatenate([np.concatenate([weight] * looks) for _, weight in parts])
    mean, spread = features.mean(0), features.std(0) + 1e-3
    weight, bias = _regression(*map(_tensor, ((features - mean) / spread, shares, rows)), l2)
    scaled = weight / _tensor(spread)
    return LabelHead(scaled, bias - scaled @ _tensor(mean))


def _regression(features: Tensor, shares: Tensor, rows: Tensor, l2: float) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(shares.shape[1], features.shape[1], requires_grad=True)
    bias = torch.zeros(shares.shape[1], requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe", history_size=20)

    def loss() -> Tensor:
        solver.zero_grad()
        logs = (features @ weight.T + bias).log_softmax(1)
        value = -((shares * logs).sum(1) * rows).sum() / rows.sum() + l2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    solver.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def balanced(answers: Array, majority: Array) -> float:
    """Mean recall of the classes that have enough faces."""
    classes = [label for label in range(len(LABELS)) if (majority == label).sum() >= FEWEST]
    return float(np.mean([(answers[majority == label] == label).mean() for label in classes]))


def put_into(folder: Path, head: LabelHead, temperature: float) -> None:
    """Writes the head into a model's folder, with its temperature and two looks."""
    path = folder / LABEL_HEAD
    save_weights(head.tensors(), path)
    path.chmod(0o644)
    manifest = read_manifest(folder)
    files = {**manifest.files, LABEL_HEAD: (sha256(path), path.stat().st_size)}
    told = {"dataset": "ferplus:valid", "folds": FOLDS, "of": "the readout of labels"}
    extra = {**manifest.extra, "temperature": temperature, "calibration": told, "mirrored": True}
    write_manifest(folder, replace(manifest, files=files, extra=extra))
    print(path)


def faces_of(model: Path, data: Path, cache: Path | None) -> tuple[Faces, Faces]:
    """FER+ valid and the photographs, looked at by the model, or read from the cache."""
    if cache is not None and cache.exists():
        with np.load(cache) as kept:
            parts = [Faces(*(kept[f"{name}_{key}"] for key in vars_of())) for name in ("gray", "photographs")]
        return parts[0], parts[1]
    vlm = FaceVLM.load(model, torch.bfloat16)
    found = ferplus(data, "valid")
    gray = [Image.fromarray(one[0].numpy()).convert("RGB") for one in found.pixels]
    rows = np.array([f"row {number}" for number in found.rows.tolist()])
    first = Faces(looked(vlm, gray), found.targets.numpy(), found.majority.numpy(), rows)
    crops, labels, people = zip(*portraits(data), strict=True)
    majority = np.array([LABELS.index(label) for label in labels])
    shares = (np.eye(len(LABELS)) * 0.9 + 0.1 / len(LABELS))[majority].astype(np.float32)
    second = Faces(looked(vlm, list(crops)), shares, majority, np.array(people))
    if cache is not None:
        both = {"gray": first, "photographs": second}
        np.savez(
            cache, **{f"{name}_{key}": getattr(one, key) for name, one in both.items() for key in vars_of()}
        )
    return first, second


def vars_of() -> tuple[str, ...]:
    return ("features", "shares", "majority", "people")


def portraits(data: Path) -> Iterator[tuple[Image.Image, str, str]]:
    """Face, label and person of each portrait of the people who are set apart."""
    with FaceFinder() as finder:
        for shard in sorted(data.glob("portraits_train-*.parquet")):
            for row in pq.read_table(shard).to_pylist():
                if (
                    people_part(row["identity"]) == "valid"
                    and (box := boxed(row["image"], finder)) is not None
                ):
                    face = crop(open_image(row["image"], analysis_side=None), box)
                    yield Image.fromarray(face), row["label"], row["identity"]


def looked(vlm: FaceVLM, pictures: list[Image.Image], at_once: int = 32) -> Array:
    """[looks, N, width] of 32-bit floats."""
    found = []
    with Progress(len(pictures), doing="looking", things="faces") as progress:
        for start in range(0, len(pictures), at_once):
            batch = pictures[start : start + at_once]
            found.append(vlm.features(batch).float().numpy())
            for _ in batch:
                progress.step(0)
    return np.concatenate(found, axis=1)


def _folds(people: Array) -> Array:
    """[N] the fold of each person."""
    names, places = np.unique(people, return_inverse=True)
    return (np.random.default_rng(0).permutation(len(names)) % FOLDS)[places]


def _at(faces: Faces, chosen: Array) -> Faces:
    return Faces(
        faces.features[:, chosen], faces.shares[chosen], faces.majority[chosen], faces.people[chosen]
    )  # fmt: skip


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


if __name__ == "__main__":
    main()
