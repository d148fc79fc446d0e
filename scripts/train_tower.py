"""Pretrains a vision tower on faces: expressions with their votes, action units, and what other networks say.

    python scripts/train_tower.py --data DATA --texts TEXTS --net mobilenet --weights WEIGHTS -o teacher
    python scripts/train_tower.py --data DATA --texts TEXTS --teachers teacher -o tower

DATA holds the Parquet shards of FER+ and of the portraits, cut out (scripts/crop_portraits.py); TEXTS the
engine's exports with the action units; WEIGHTS a network that knew faces before (`tower_pretrained`).
`--teachers` learns from networks that were trained before: from what they say of the very same view (Beyer et
al. 2022), beside the votes. `--begin` goes on with a network of before; `--seconds` ends by the clock.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from pathlib import Path
from typing import Any

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import log_softmax
from tower_faces import MIRROR, Faces, ferplus, portraits
from tower_net import ResNet, Seen, network
from tower_pretrained import MobileNet, pretrained
from tower_views import mixed, plain, views

from expllm.model.presets import CONV_TOWER

AU_WEIGHT = 2.0
SIDE = CONV_TOWER.image


def main() -> None:
    options = _options()
    torch.manual_seed(options.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = (
        options.net != "mobilenet"
    )  # among depthwise kernels it searches a minute
    torch.set_float32_matmul_precision("high")
    train = [
        ferplus(options.data, "train", options.texts / "ferplus.jsonl").to(device),
        portraits(options.portraits or options.data, "train", options.texts / "portraits.jsonl").to(device),
    ]
    valid = [
        ferplus(options.data, "valid", None).to(device),
        portraits(options.portraits or options.data, "valid", None).to(device),
    ]
    net, side = _begun(options, train)
    net = _placed(net, device)
    teachers = [_read(path, device) for path in options.teachers]
    learned, history = _learn(net, side, train, valid, teachers, options, device)
    options.output.mkdir(parents=True, exist_ok=True)
    _write(learned, options, history)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--portraits", type=Path, help="where the cut portraits are, if not in DATA")
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--net", default="resnet", choices=("resnet", "vit", "mobilenet"))
    parser.add_argument(
        "--weights", type=Path, help="of the mobilenet before: a folder of TensorFlow.js files"
    )
    parser.add_argument("--begin", type=Path, help="folder of a training whose network learns on")
    parser.add_argument("--teachers", type=Path, nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seconds", type=float, help="end by the clock instead")
    parser.add_argument("--batch", type=int, nargs=2, default=(384, 128), help="faces of FER+ and portraits")
    parser.add_argument(
        "--rare", type=float, nargs=2, default=(0.35, 0.35),
        help="of FER+ and portraits: faces are drawn by the size of their class to this power less",
    )  # fmt: skip
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.05)
    parser.add_argument("--mix", type=float, default=0.5, help="part of the batches that is mixed")
    parser.add_argument("--told", type=float, default=0.7, help="weight of the teachers against the votes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser.parse_args()


def _begun(options: argparse.Namespace, train: list[Faces]) -> tuple[nn.Module, int]:
    """The network as it begins."""
    if options.begin:
        net, side = _read(options.begin, "cpu")
        return net, side
    if not options.weights:
        return network(options.net)
    some = torch.cat([plain(faces.pixels[:: len(faces.pixels) // 96].cpu(), SIDE) for faces in train])
    return pretrained(options.weights, some), SIDE


def _read(path: Path, device: str) -> tuple[nn.Module, int]:
    saved = torch.load(path / "net.pt", map_location=device, weights_only=True)
    net, side = (MobileNet(), SIDE) if saved["net"] == "mobilenet" else network(saved["net"])
    net.load_state_dict(saved["state"])
    return _placed(net, device).eval(), side


def _placed(net: nn.Module, device: str) -> nn.Module:
    """On its device, in the order of numbers in which convolutions are fast."""
    return net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _learn(
    net: nn.Module, side: int, train: list[Faces], valid: list[Faces],
    teachers: list[tuple[nn.Module, int]], options: argparse.Namespace, device: str,
) -> tuple[nn.Module, list[dict[str, Any]]]:  # fmt: skip
    chance = torch.Generator(device).manual_seed(options.seed)
    heavy = [p for p in net.parameters() if p.ndim > 1]
    light = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": heavy, "weight_decay": options.decay}, {"params": light, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=options.lr, fused=device == "cuda")
    average = copy.deepcopy(net).eval()
    weights = [_rarity(faces, power) for faces, power in zip(train, options.rare, strict=True)]
    luck = random.Random(options.seed)  # on the host: a card is not waited for
    history: list[dict[str, Any]] = []
    begun, step, done, shown = time.monotonic(), 0, 0.0, 0.0
    while done < 1:
        done = (time.monotonic() - begun) / options.seconds if options.seconds else step / options.steps
        done = min(done, 1.0)
        rate = options.lr * min(1.0, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = _loss(net.train(), side, train, weights, teachers, options, chance, luck, device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        _follow(average, net, min(0.999, (step + 1) / (step + 20)))
        step += 1
        if done - shown > 0.1 or done >= 1:
            shown = done
            fer, portrait = (_score(average, side, faces) for faces in valid)
            told = round(float(loss.detach()), 4)
            row = {"step": step, "done": round(done, 3), "loss": told, "ferplus": fer,
                   "portraits": portrait, "seconds": round(time.monotonic() - begun, 1)}  # fmt: skip
            history.append(row)
            print(options.output.name, json.dumps(row), flush=True)
    return average, history


def _loss(
    net: nn.Module, side: int, train: list[Faces], weights: list[Tensor],
    teachers: list[tuple[nn.Module, int]], options: argparse.Namespace, chance: torch.Generator,
    luck: random.Random, device: str,
) -> Tensor:  # fmt: skip
    seen, targets, aus = [], [], []
    biggest = max([side, *(one for _, one in teachers)])
    for faces, weight, count in zip(train, weights, options.batch, strict=True):
        drawn = torch.multinomial(weight, count, replacement=True, generator=chance)
        pictures, mirrored = views(faces.pixels[drawn], biggest, chance, luck)
        measured = faces.aus[drawn]
        seen.append(pictures)
        targets.append(faces.targets[drawn])
        aus.append(torch.where(mirrored[:, None], measured[:, MIRROR], measured))
    pictures, target, units = torch.cat(seen), torch.cat(targets), torch.cat(aus)
    if luck.random() < options.mix:
        order = torch.randperm(len(pictures), device=device, generator=chance)
        share = torch.rand(len(pictures), device=device, generator=chance) * 0.5 + 0.5
        pictures = mixed(pictures, pictures[order], share)
        target = target * share[:, None] + target[order] * (1 - share[:, None])
        units = torch.full_like(units, float("nan"))
    pictures = pictures.to(memory_format=torch.channels_last)
    with torch.autocast(device, torch.bfloat16):
        if teachers:
            with torch.no_grad():
                told = [one(_sized(pictures, size)).logits.float().softmax(1) for one, size in teachers]
            target = target * (1 - options.told) + torch.stack(told).mean(0) * options.told
        said: Seen = net(_sized(pictures, side))
    loss = -(target * log_softmax(said.logits.float(), 1)).sum(1).mean()
    known = ~units.isnan()
    error = torch.where(known, said.aus.float() - units.nan_to_num(), 0.0).square().sum()
    return loss + AU_WEIGHT * error / known.sum().clamp(min=1)


def _sized(pictures: Tensor, side: int) -> Tensor:
    if pictures.shape[-1] == side:
        return pictures
    return torch.nn.functional.interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)


def _rarity(faces: Faces, power: float) -> Tensor:
    counts = torch.bincount(faces.majority, minlength=8).float().clamp(min=20)
    return counts.pow(-power)[faces.majority]


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, keep: float) -> None:
    pairs = zip(average.state_dict().values(), net.state_dict().values(), strict=True)
    ours, theirs = zip(*((one, other) for one, other in pairs if one.is_floating_point()), strict=True)
    torch._foreach_lerp_(ours, theirs, 1 - keep)  # at once: a launch for each would take longer than a step


@torch.no_grad()
def _score(net: nn.Module, side: int, faces: Faces) -> dict[str, float]:
    """Accuracy plain and with the mirror image, macro-F1, balanced accuracy over classes of 50 faces."""
    straight, both = [], []
    device = faces.pixels.device.type
    for begin in range(0, len(faces.pixels), 512):
        pictures = plain(faces.pixels[begin : begin + 512], side).to(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16):
            one = net(pictures).logits.float().softmax(1)
            two = net(pictures.flip(3)).logits.float().softmax(1)
        straight.append(one.argmax(1))
        both.append((one + two).argmax(1))
    said, told, truth = torch.cat(straight), torch.cat(both), faces.majority
    return {
        "accuracy": round(float((said == truth).float().mean()), 4),
        "mirrored": round(float((told == truth).float().mean()), 4),
        **{name: round(value, 4) for name, value in _by_class(told, truth).items()},
    }


def _by_class(said: Tensor, truth: Tensor) -> dict[str, float]:
    table = torch.bincount(truth * 8 + said, minlength=64).reshape(8, 8).double()
    right, real, told = table.diagonal(), table.sum(1), table.sum(0)
    f1 = (2 * right / (real + told).clamp(min=1))[real > 0]
    recall = (right / real.clamp(min=1))[real >= 50]
    return {"macro_f1": float(f1.mean()), "balanced": float(recall.mean())}


def _write(net: nn.Module, options: argparse.Namespace, history: list[dict[str, Any]]) -> None:
    net = net.float().cpu()
    state = {
        key: value.half() if value.is_floating_point() else value for key, value in net.state_dict().items()
    }
    torch.save({"net": options.net, "state": state}, options.output / "net.pt")
    if isinstance(net, ResNet):
        tower = net.folded(CONV_TOWER.image).half()
        save_file({f"model.vision_tower.{k}": v.contiguous() for k, v in tower.state_dict().items()},
                  options.output / "tower.safetensors")  # fmt: skip
    told = {key: str(value) for key, value in vars(options).items()}
    (options.output / "history.json").write_text(json.dumps({"options": told, "history": history}, indent=1))


if __name__ == "__main__":
    main()
