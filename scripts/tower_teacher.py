"""What an earlier tower says of the faces that are learned from: soft labels beside the votes."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import log_softmax
from tower_faces import LABELS, Faces
from tower_net import Seeing, begun
from tower_views import plain

from expllm.model.presets import CONV_TOWER


def taught(folder: Path, train: list[Faces], kept: Path) -> list[Tensor]:
    """Probabilities of the labels by the tower of a folder and a readout fitted on the same faces.

    Args:
        folder: A model folder with `tower.safetensors`.
        train: The faces.
        kept: Where the answer is kept: it takes minutes.

    Returns:
        [N, 8] for each part of the faces.
    """
    if not kept.exists():
        net = begun(folder).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        features = [features_of(net, faces) for faces in train]
        logits = _readout(features, train)
        save_file({str(part): logit.softmax(1) for part, logit in enumerate(logits)}, kept)
    stored = load_file(kept)
    return [stored[str(part)] for part in range(len(train))]


@torch.no_grad()
def features_of(net: Seeing, faces: Faces) -> Tensor:
    """The mean feature of each face, over it and its mirror image: [N, width]."""
    found = []
    with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_amx_tile_supported()):
        for begin in range(0, len(faces), 256):
            pictures = plain(faces.pixels[begin : begin + 256], CONV_TOWER.image)
            both = torch.cat([pictures, pictures.flip(3)]).contiguous(memory_format=torch.channels_last)
            hidden = net.tower(both).last_hidden_state[:, 0].float()
            found.append(hidden.unflatten(0, (2, -1)).mean(0))
    return torch.cat(found)


def _readout(features: list[Tensor], train: list[Faces]) -> list[Tensor]:
    """Logits of a logistic regression on standardised features, with little decay."""
    known, target = torch.cat(features), torch.cat([faces.targets for faces in train])
    mean, spread = known.mean(0), known.std(0) + 1e-6
    known = (known - mean) / spread
    weight = torch.zeros(known.shape[1], len(LABELS), requires_grad=True)
    bias = torch.zeros(len(LABELS), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        cost = -(target * log_softmax(known @ weight + bias, 1)).sum(1).mean() + 1e-3 * weight.square().sum()
        cost.backward()  # type: ignore[no-untyped-call]
        return cost

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return [((part - mean) / spread) @ weight + bias for part in features]
