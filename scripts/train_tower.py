"""Teaches the compact model's vision tower expressions and action units at once, in pieces of any length.

    python scripts/crop_portraits.py DATA/portraits_train-*.parquet -o CROPS
    python scripts/train_tower.py --data DATA --crops CROPS --begin src/expllm/assets/compact -o TOWER

DATA holds the Parquet shards of FER+ and of the portraits with their `au_readings_*.parquet`; what learns
from these readings is for academic use. The same command goes on where an earlier one was cut. TOWER gets
`tower.safetensors` (for `ship_compact.py`), `units.safetensors` (for `fit_au_reader.py`) and `history.jsonl`.
Where the processor multiplies 16-bit matrices (AMX), the network computes in bfloat16, three times as fast.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, smooth_l1_loss
from tower_faces import Faces, ferplus, portraits
from tower_net import PREFIX, Seeing, Seen, begun
from tower_teacher import taught
from tower_views import mixed, plain, views

from expllm.faces.unit_network import FACS, MIRROR
from expllm.model.presets import CONV_TOWER
from expllm.train.host_compute import keep_freed_memory

SIDE = CONV_TOWER.image
HALVES = torch.cpu._is_amx_tile_supported()
"""Whether 16 bits are faster: without AMX they are slower than 32."""
UNITS, CHANNELS, CLEAR = 6.0, 3.0, 0.3
"""Weights of the losses beside the one of expressions."""


@dataclass
class Scales:
    """Means and deviations by which units and channels are standardised."""

    units: tuple[Tensor, Tensor]
    channels: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, train: list[Faces]) -> Scales:
        units = torch.cat([one.units for one in train])
        return cls(_moments(units), _moments(torch.cat([one.channels for one in train])))


def main() -> None:
    options = _options()
    keep_freed_memory()
    torch.manual_seed(options.seed)
    train = [ferplus(options.data, "train"), portraits(options.data, options.crops, "train")]
    valid = [ferplus(options.data, "valid"), portraits(options.data, options.crops, "valid")]
    scales = Scales.of(train)
    options.output.mkdir(parents=True, exist_ok=True)
    if options.teacher:
        told = taught(options.teacher, train, options.output / "taught.safetensors")
        for faces, labels in zip(train, told, strict=True):
            faces.targets = faces.targets.lerp(labels, options.told)
    learner = Learner(options, train, scales)
    learner.resume()
    while learner.step < options.steps:
        learner.learn()
        if learner.step % options.every == 0 or learner.step == options.steps:
            learner.save()
        if learner.step % options.score_every == 0 or learner.step == options.steps:
            scores = {
                "ferplus": score(learner.average, valid[0]),
                "portraits": score(learner.average, valid[1]),
            }
            learner.tell(scores)
    write(learner.average, scales, options.output)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--crops", type=Path, required=True, help="where the cut portraits are")
    parser.add_argument(
        "--begin", type=Path, required=True, help="model folder, or one of this script, whose tower learns on"
    )
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--batch", type=int, nargs=2, default=(96, 32), help="faces of FER+ and portraits")
    parser.add_argument(
        "--rare", type=float, nargs=2, default=(0.35, 0.6),
        help="of FER+ and portraits: faces are drawn by the size of their class to this power less",
    )  # fmt: skip
    parser.add_argument(
        "--unclear", type=float, default=0.5,
        help="how often a face is drawn whose units nobody can read, beside others of its label",
    )  # fmt: skip
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--head-lr", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.05)
    parser.add_argument("--mix", type=float, default=0.2, help="part of the batches that is mixed")
    parser.add_argument("--strength", type=float, default=1.0, help="of the views: 0 for mirror images alone")
    parser.add_argument("--units", type=float, default=UNITS, help="weight of the loss of action units")
    parser.add_argument("--label", type=float, default=1.0, help="weight of the loss of expressions")
    parser.add_argument("--teacher", type=Path, help="model folder whose tower teaches expressions as well")
    parser.add_argument("--told", type=float, default=0.4, help="part of the labels that the teacher tells")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=100, help="steps from one state to the next")
    parser.add_argument("--score-every", type=int, default=500)
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser.parse_args()


class Learner:
    """The network, its running mean, and where its training stands."""

    def __init__(self, options: argparse.Namespace, train: list[Faces], scales: Scales) -> None:
        self.options, self.train, self.scales = options, train, scales
        self.net = begun(options.begin).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net).eval()
        heads = [*self.net.label.parameters(), *self.net.units.parameters()]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [*self.net.tower.parameters()], "top": options.lr},
                {"params": heads, "top": options.head_lr},
            ],
            weight_decay=options.decay, fused=True,
        )  # fmt: skip
        self.chance, self.luck = torch.Generator().manual_seed(options.seed), random.Random(options.seed)
        self.rarity = [
            _rarity(faces, power, options.unclear) for faces, power in zip(train, options.rare, strict=True)
        ]
        self.step, self.seconds = 0, 0.0
        self.begun, self.losses = time.monotonic(), torch.zeros(4)

    def learn(self) -> None:
        """One step."""
        done = self.step / self.options.steps
        rate = min(1.0, (self.step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = group["top"] * rate
        losses = self._losses()
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
        self.optimizer.step()
        self.step += 1
        keep = min(0.998, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_([*self.average.parameters()], [*self.net.parameters()], 1 - keep)
        self.losses = self.losses * 0.98 + losses.detach() * 0.02

    def _losses(self) -> Tensor:
        """Of expressions, units, channels and clearness, weighted: [4]."""
        drawn = [
            faces.at(torch.multinomial(rare, count, replacement=True, generator=self.chance))
            for faces, rare, count in zip(self.train, self.rarity, self.options.batch, strict=True)
        ]
        seen = [views(faces.pixels, SIDE, self.chance, self.luck, self.options.strength) for faces in drawn]
        pictures, flipped = torch.cat([one for one, _ in seen]), torch.cat([one for _, one in seen])
        target, units, channels, clear = (
            torch.cat([getattr(one, part) for one in drawn])
            for part in ("targets", "units", "channels", "clear")
        )
        channels = torch.where(flipped[:, None], channels[:, MIRROR], channels)
        if self.luck.random() < self.options.mix:
            order = torch.randperm(len(pictures), generator=self.chance)
            share = torch.rand(len(pictures), generator=self.chance) * 0.5 + 0.5
            pictures = mixed(pictures, pictures[order], share)
            part = share[:, None]
            target, units, channels = (
                all_ * part + all_[order] * (1 - part) for all_ in (target, units, channels)
            )
            clear = torch.full_like(clear, float("nan"))
        with torch.autocast("cpu", torch.bfloat16, enabled=HALVES):
            said: Seen = self.net(pictures.contiguous(memory_format=torch.channels_last))
        said = Seen(said.logits.float(), said.units.float(), said.channels.float(), said.clear.float())
        known = ~clear.isnan()
        sure = binary_cross_entropy_with_logits(said.clear[known], clear[known], reduction="sum")
        return torch.stack([
            -self.options.label * (target * log_softmax(said.logits, 1)).sum(1).mean(),
            self.options.units * _distance(said.units, units, self.scales.units),
            CHANNELS * _distance(said.channels, channels, self.scales.channels),
            CLEAR * sure / known.sum().clamp(min=1),
        ])  # fmt: skip

    def save(self) -> None:
        """Everything that a later piece needs, in place of the state before."""
        state = {
            "net": self.net.state_dict(), "average": self.average.state_dict(), "step": self.step,
            "optimizer": self.optimizer.state_dict(), "chance": self.chance.get_state(),
            "luck": self.luck.getstate(), "losses": self.losses, "torch": torch.get_rng_state(),
            "seconds": self.seconds + time.monotonic() - self.begun,
        }  # fmt: skip
        fresh = self.options.output / "state.new"
        torch.save(state, fresh)
        fresh.replace(self.options.output / "state.pt")
        spent = state["seconds"]
        parts = " ".join(f"{loss:.3f}" for loss in self.losses.tolist())
        print(f"{self.step}/{self.options.steps} {spent:.0f} s {parts}", flush=True)

    def resume(self) -> None:
        """Goes on from the last state, if there is one."""
        path = self.options.output / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=False)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.chance.set_state(state["chance"])
        self.luck.setstate(state["luck"])
        torch.set_rng_state(state["torch"])
        self.step, self.seconds, self.losses = state["step"], state["seconds"], state["losses"]

    def tell(self, scores: dict[str, Any]) -> None:
        """Writes down how well it reads."""
        row = {"step": self.step, "losses": [round(one, 4) for one in self.losses.tolist()], **scores}
        print(json.dumps(row), flush=True)
        with (self.options.output / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    known = ~values.isnan()
    count = known.sum(0)
    mean = values.nan_to_num().sum(0) / count
    spread = torch.where(known, values - mean, 0.0).square().sum(0) / count
    return mean, spread.sqrt()


def _distance(said: Tensor, told: Tensor, scale: tuple[Tensor, Tensor]) -> Tensor:
    known = ~told.isnan()
    target = ((told - scale[0]) / scale[1]).nan_to_num()
    return smooth_l1_loss(said[known], target[known], reduction="sum") / known.sum().clamp(min=1)


def _rarity(faces: Faces, power: float, unclear: float) -> Tensor:
    """How often each face is drawn: rare labels more, faces whose units nobody can read less."""
    counts = torch.bincount(faces.majority, minlength=8).float().clamp(min=20)
    return counts.pow(-power)[faces.majority] * torch.where(faces.clear == 1, 1.0, unclear)


@torch.no_grad()
def score(net: Seeing, faces: Faces) -> dict[str, Any]:
    """How faces are labelled and their units agree with the teacher's, by the mean of both mirror images."""
    looks = []
    for begin in range(0, len(faces), 256):
        pictures = plain(faces.pixels[begin : begin + 256], SIDE)
        looks.append(
            [net(one.contiguous(memory_format=torch.channels_last)) for one in (pictures, pictures.flip(3))]
        )
    both = [torch.cat([pair[side].logits.softmax(1) for pair in looks]) for side in (0, 1)]
    units = [torch.cat([pair[side].units for pair in looks]) for side in (0, 1)]
    known = ~faces.units.isnan().any(1)
    agreed = _correlation((units[0] + units[1])[known], faces.units[known])
    labelled = by_class((both[0] + both[1]).argmax(1), faces.majority)
    return {
        **{name: round(value, 4) for name, value in labelled.items()},
        "r": round(float(agreed.mean()), 4),
        "flip_r": round(float(_correlation(*(one[known] for one in units)).mean()), 4),
        "units": {f"AU{number}": round(r, 3) for number, r in zip(FACS, agreed.tolist(), strict=True)},
    }  # fmt: skip


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    one, other = one - one.mean(0), other - other.mean(0)
    return (one * other).sum(0) / (one.square().sum(0) * other.square().sum(0)).sqrt()


def by_class(said: Tensor, truth: Tensor) -> dict[str, float]:
    """Accuracy, macro-F1, and balanced accuracy over classes of 50 faces."""
    table = torch.bincount(truth * 8 + said, minlength=64).reshape(8, 8).double()
    right, real, told = table.diagonal(), table.sum(1), table.sum(0)
    f1 = (2 * right / (real + told).clamp(min=1))[real > 0]
    recall = (right / real.clamp(min=1))[real >= 50]
    accuracy = float(right.sum() / real.sum())
    return {"accuracy": accuracy, "macro_f1": float(f1.mean()), "balanced": float(recall.mean())}


def write(net: Seeing, scales: Scales, folder: Path) -> None:
    """The tower, and its heads with the scales of their units."""
    tower = {PREFIX + name: part.half().contiguous() for name, part in net.tower.state_dict().items()}
    save_file(tower, folder / "tower.safetensors")
    heads = {name: part for name, part in net.state_dict().items() if not name.startswith("tower.")}
    for part, (mean, spread) in (("units", scales.units), ("channels", scales.channels)):
        heads |= {f"scale.{part}.mean": mean, f"scale.{part}.spread": spread}
    save_file({name: part.float().contiguous() for name, part in heads.items()}, folder / "units.safetensors")


if __name__ == "__main__":
    main()
