"""The network that reads faces with NumPy: it computes what PyTorch does."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from expllm.core.errors import RecordError
from expllm.faces.unit_network import CHANNELS, CROP_SIDE, FACS, MIRROR, UNIT_STRIDES, FaceNet, face_net

torch = pytest.importorskip("torch")
WIDTHS = (4, 6, 8, 10)


def random_weights() -> dict[str, NDArray[np.float32]]:
    """A small tower of the same shape, and its heads."""
    from expllm.model.vision import ConvConfig, ConvTower

    torch.manual_seed(0)
    tower = ConvTower(ConvConfig(WIDTHS, CROP_SIDE))
    heads = {
        "units.hidden": torch.nn.Linear(WIDTHS[-1] * 10, 16),
        "units.out": torch.nn.Linear(16, len(FACS) + len(CHANNELS) + 1),
    }
    state = dict(tower.state_dict())
    for name, layer in heads.items():
        state |= {f"{name}.{part}": value.detach() for part, value in layer.state_dict().items()}
    state["scale.channels.mean"] = torch.linspace(0.3, 0.7, len(CHANNELS))
    state["scale.channels.spread"] = torch.linspace(0.1, 0.3, len(CHANNELS))
    return {name: value.numpy() for name, value in state.items()}


def by_torch(weights: dict[str, NDArray[np.float32]], pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """[N, 96, 96, 3] -> [N, outputs], one look."""
    from expllm.model.vision import ConvConfig, ConvTower

    parts = {name: torch.from_numpy(value) for name, value in weights.items()}
    tower = ConvTower(ConvConfig(WIDTHS, CROP_SIDE))
    tower.load_state_dict({name: part for name, part in parts.items() if name.startswith(("stem", "blocks"))})
    with torch.no_grad():
        hidden = tower(torch.from_numpy(pictures).permute(0, 3, 1, 2)).last_hidden_state
        grid = hidden[:, 1:].transpose(1, 2).unflatten(2, (6, 6))
        regions = torch.nn.functional.adaptive_avg_pool2d(grid, 3).flatten(1)
        features = torch.cat([hidden[:, 0], regions], 1)
        middle = (features @ parts["units.hidden.weight"].T + parts["units.hidden.bias"]).relu()
        out = middle @ parts["units.out.weight"].T + parts["units.out.bias"]
    return np.asarray(out.numpy())


def pictures(count: int = 3) -> list[Image.Image]:
    draws = np.random.default_rng(1)
    return [
        Image.fromarray(draws.integers(0, 255, (CROP_SIDE, CROP_SIDE, 3), np.uint8)) for _ in range(count)
    ]


def test_it_computes_what_pytorch_does() -> None:
    weights, faces = random_weights(), pictures()
    seen = FaceNet(weights)(faces)
    pixels = np.stack([np.asarray(face, np.float32) for face in faces]) / 127.5 - 1
    looks = [by_torch(weights, np.ascontiguousarray(one)) for one in (pixels, pixels[:, :, ::-1])]
    mean = (looks[0] + looks[1]) / 2
    assert seen.units == pytest.approx(mean[:, : len(FACS)], abs=1e-4)
    assert seen.clear == pytest.approx(1 / (1 + np.exp(-mean[:, -1])), abs=1e-4)
    middle, spread = weights["scale.channels.mean"], weights["scale.channels.spread"]
    straight, turned = (one[:, len(FACS) : -1] * spread + middle for one in looks)
    assert seen.channels == pytest.approx(np.clip((straight + turned[:, MIRROR]) / 2, 0, 1), abs=1e-4)
    assert np.abs(straight - turned[:, MIRROR]).max() > 1e-3, "both looks count"


def test_a_face_and_its_mirror_image_read_alike() -> None:
    net, faces = FaceNet(random_weights()), pictures()
    flipped = [face.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for face in faces]
    assert net(flipped).units == pytest.approx(net(faces).units, abs=1e-4)
    assert net(flipped).channels == pytest.approx(net(faces).channels[:, MIRROR], abs=1e-4)


def test_a_batch_reads_as_its_faces_do_alone() -> None:
    net, faces = FaceNet(random_weights()), pictures()
    alone = np.concatenate([net([face]).units for face in faces])
    assert net(faces).units == pytest.approx(alone, abs=1e-4)
    assert net([]).units.shape == (0, len(FACS))
    assert net([]).channels.shape == (0, len(CHANNELS))


@pytest.mark.parametrize("name", ["units.out.bias", "scale.channels.mean"])
def test_missing_weights_are_named(name: str) -> None:
    weights = random_weights()
    del weights[name]
    with pytest.raises(RecordError, match=name.replace(".", r"\.")):
        FaceNet(weights)


def test_the_network_that_ships_reads_a_smile() -> None:
    picture = Image.open("examples/faces/astronaut.jpg")
    seen = face_net()([picture.crop((150, 30, 320, 200))])
    smile = seen.units[0, FACS.index(12)]
    assert smile > 1
    scores = dict(zip(CHANNELS, seen.channels[0].tolist(), strict=True))
    assert min(scores["mouthSmileLeft"], scores["mouthSmileRight"]) > 0.5 > scores["mouthFrownLeft"]
    assert len(UNIT_STRIDES) == 8
