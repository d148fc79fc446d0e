"""Fits the readout of labels that a compact model has beside its language model, and puts it into its folder.

    python scripts/fit_label_head.py src/expllm/assets/compact --data ../shared/data --cache CACHE.npz

It is fitted on faces that the tower has not learned from: FER+ valid. Its figures there are those of five
folds, and so is the temperature; what is written is fitted on all. Portraits of people whom the tower does
not know are read for comparison. FER+ test is not read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
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
from expllm.evals.metrics.calibration import fit_temperature, with_temperature
from expllm.faces.boxes import boxed, crop
from expllm.faces.finder import FaceFinder
from expllm.files.images import open_image
from expllm.files.progress import Progress
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.label_head import LabelHead
from expllm.model.manifest import LABEL_HEAD, calibrated_temperature, read_manifest, sha256, write_manifest
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
    """

    features: Array
    shares: Array
    majority: Array

    def at(self, chosen: Array) -> Faces:
        return Faces(self.features[:, chosen], self.shares[chosen], self.majority[chosen])


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
        default=[0.3],
        help="a face weighs 1 / (share of its class) to this power; the last one is written",
    )
    parser.add_argument("--l2", type=float, nargs="+", default=[0.04], help="the last one is written")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    options = parser.parse_args()  # fmt: skip
    gray, photographs = faces_of(options.model, options.data, options.cache)
    print(
        "| rare | l2 |" + HEAD.splitlines()[0][1:] + " balanced |\n|---|---" + HEAD.splitlines()[1] + "---|"
    )
    for rare in options.rare:
        for l2 in options.l2:
            head = fitted(gray, rare, l2)
            temperature = tell(gray, photographs, head, rare, l2)
    if not options.dry_run:
        put_into(options.model, head, temperature)


def tell(gray: Faces, photographs: Faces, head: LabelHead, rare: float, l2: float) -> float:
    """Prints the figures of the folds, and those of the photographs; the temperature."""
    logs = out_of_folds(gray, rare, l2)
    temperature = fit_temperature(logs, gray.majority).value
    others = head.log_probabilities(torch.from_numpy(photographs.features)).numpy()
    for name, found, faces in (("FER+ valid", logs, gray), ("portraits", others, photographs)):
        likely = with_temperature(found, temperature)
        line = short(name, figures(likely, faces.majority, LABELS))
        print(f"| {rare} | {l2} {line} {balanced(likely.argmax(1), faces.majority):.4f} |", flush=True)
    print(f"temperature {temperature:.3f}")
    return temperature


def out_of_folds(faces: Faces, rare: float, l2: float) -> Array:
    """[N, 8] log-probabilities of each face by the head of the other folds."""
    folds = np.random.default_rng(0).permutation(len(faces.majority)) % FOLDS
    found = np.zeros((len(faces.majority), len(LABELS)))
    for fold in range(FOLDS):
        head = fitted(faces.at(folds != fold), rare, l2)
        found[folds == fold] = head.log_probabilities(
            torch.from_numpy(faces.features[:, folds == fold])
        ).numpy()
    return found


def fitted(faces: Faces, rare: float, l2: float) -> LabelHead:
    """Multinomial logistic regression on the shares of the votes; each look of a face is a row."""
    looks, _, width = faces.features.shape
    features = faces.features.reshape(-1, width)
    weights = faces.shares @ (1 / faces.shares.mean(0)) ** rare
    shares, rows = (np.concatenate([one] * looks) for one in (faces.shares, weights / weights.mean()))
    mean, spread = features.mean(0), features.std(0) + 1e-3
    normal = _tensor((features - mean) / spread)
    weight, bias = _regression(normal, _tensor(shares), _tensor(rows), l2)
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
    own = calibrated_temperature(folder, manifest.extra, of_language=True)
    extra = {
        **manifest.extra, "temperature": temperature, "language_temperature": own, "calibration": told,
        "mirrored": True,
    }  # fmt: skip
    write_manifest(folder, replace(manifest, files=files, extra=extra))
    print(path)


def faces_of(model: Path, data: Path, cache: Path | None) -> tuple[Faces, Faces]:
    """FER+ valid and the photographs, looked at by the model, or read from the cache."""
    names = [field.name for field in fields(Faces)]
    if cache is not None and cache.exists():
        with np.load(cache) as kept:
            return Faces(*(kept[f"gray_{one}"] for one in names)), Faces(
                *(kept[f"color_{one}"] for one in names)
            )
    vlm = FaceVLM.load(model, torch.bfloat16)
    found = ferplus(data, "valid")
    pictures = [Image.fromarray(one[0].numpy()).convert("RGB") for one in found.pixels]
    gray = Faces(looked(vlm, pictures), found.targets.numpy(), found.majority.numpy())
    crops, labels = zip(*portraits(data), strict=True)
    majority = np.array([LABELS.index(label) for label in labels])
    photographs = Faces(looked(vlm, list(crops)), np.eye(len(LABELS), dtype=np.float32)[majority], majority)
    if cache is not None:
        both = {"gray": gray, "color": photographs}
        np.savez(
            cache, **{f"{name}_{one}": getattr(faces, one) for name, faces in both.items() for one in names}
        )
    return gray, photographs


def portraits(data: Path) -> Iterator[tuple[Image.Image, str]]:
    """Face and label of each portrait of the people who are set apart."""
    with FaceFinder() as finder:
        for shard in sorted(data.glob("portraits_train-*.parquet")):
            for row in pq.read_table(shard).to_pylist():
                if (
                    people_part(row["identity"]) == "valid"
                    and (box := boxed(row["image"], finder)) is not None
                ):
                    face = crop(open_image(row["image"], analysis_side=None), box)
                    yield Image.fromarray(face), row["label"]


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


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


if __name__ == "__main__":
    main()
