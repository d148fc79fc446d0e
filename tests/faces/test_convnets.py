"""Small networks in NumPy: the same sums as by hand, the same map strip by strip, and assets that load."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from expllm.core.errors import RecordError
from expllm.faces import small_faces, visibility
from expllm.faces.convnets import STRIP, Network, read_network

ASSETS = (small_faces.SMALL_FACES_ASSET, visibility.FACE_PARTS_ASSET)
FOLDER = Path(small_faces.__file__).parents[1] / "assets"
DRAWS = np.random.default_rng(0)


def network(strides: tuple[int, ...] = (2, 2, 1)) -> Network:
    widths = (3, 5, 7, 4)
    layers = tuple(
        (DRAWS.normal(size=(9 * a, b)).astype(np.float32), DRAWS.normal(size=b).astype(np.float32))
        for a, b in pairwise(widths)
    )
    return Network(layers, (3,) * 3, strides, "drawn")


def by_hand(picture: NDArray[np.float32], net: Network) -> NDArray[np.float32]:
    """[H, W, C] -> [h, w, O], one window at a time."""
    values = picture
    for number, ((weights, bias), stride) in enumerate(zip(net.layers, net.strides, strict=True)):
        padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
        rows, columns = (range(0, length, stride) for length in values.shape[:2])
        values = np.array(
            [[padded[i : i + 3, j : j + 3].reshape(-1) @ weights + bias for j in columns] for i in rows]
        )
        values = values if number == len(net.layers) - 1 else np.maximum(values, 0)
    return values


@pytest.mark.parametrize("size", [(16, 16), (17, 22), (1, 5)])
def test_a_network_computes_what_is_computed_by_hand(size: tuple[int, int]) -> None:
    net, picture = network(), DRAWS.normal(size=(*size, 3)).astype(np.float32)
    assert np.allclose(net(picture[None])[0], by_hand(picture, net), atol=1e-3)


@pytest.mark.parametrize("height", [40, STRIP, 2 * STRIP + 37])
def test_strips_make_the_same_map(height: int) -> None:
    net, picture = network(), DRAWS.normal(size=(height, 24, 3)).astype(np.float32)
    assert np.allclose(net.map(picture), net(picture[None])[0], atol=1e-3)


@pytest.mark.parametrize("name", ASSETS)
def test_the_assets_load(name: str) -> None:
    assert read_network(name).layers


def test_a_missing_asset_is_named() -> None:
    with pytest.raises(RecordError, match=r"nowhere\.npz cannot be read, install expllm again"):
        read_network("nowhere")


def test_the_networks_are_small() -> None:
    assert all((FOLDER / f"{name}.npz").stat().st_size < 400_000 for name in ASSETS)


def test_patches_are_computed_like_windows_that_lie_side_by_side() -> None:
    weights = DRAWS.normal(size=(4 * 4 * 3, 5)).astype(np.float32)
    net = Network(((weights, np.zeros(5, np.float32)),), (4,), (4,), "drawn")
    picture = DRAWS.normal(size=(10, 12, 3)).astype(np.float32)
    padded = np.pad(picture, ((0, 2), (0, 0), (0, 0)))
    wanted = [
        [padded[i : i + 4, j : j + 4].reshape(-1) @ weights for j in range(0, 12, 4)] for i in range(0, 12, 4)
    ]
    assert np.allclose(net(picture[None])[0], wanted, atol=1e-4)
    assert net.reach == 0


@pytest.mark.parametrize("name", ASSETS)
def test_every_network_says_what_it_learned_from(name: str) -> None:
    card = json.loads((FOLDER / f"{name}.json").read_text())
    assert card["asset"] == f"{name}.npz"
    assert all(source["set"] and source["terms"] for source in card["learned_from"])
    assert (FOLDER.parents[2] / card["script"]).is_file()
