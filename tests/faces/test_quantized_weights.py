"""Weights in 8 bits: small files, readings that stay, damage that is named."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from test_unit_network import pictures, random_weights

from expllm.core.errors import RecordError
from expllm.faces.quantized_weights import dequantized, quantized, read_weights
from expllm.faces.unit_network import FaceNet, read_net


def test_no_weight_moves_by_more_than_half_a_step() -> None:
    weights = random_weights()
    back = dequantized(quantized(weights))
    assert back.keys() == weights.keys()
    for name, values in weights.items():
        if values.ndim > 1:
            step = np.abs(values).reshape(len(values), -1).max(axis=1) / 127
            moved = np.abs(back[name] - values).reshape(len(values), -1).max(axis=1)
            assert (moved <= 0.57 * step).all(), name  # half, and the rounding of the scale to 16 bits
        assert back[name].dtype == np.float32


def test_twice_packed_is_packed_once() -> None:
    once = quantized(random_weights())
    twice = quantized(dequantized(once))
    assert all((twice[name] == values).all() for name, values in once.items())


def test_a_channel_of_zeros_stays_zero() -> None:
    packed = quantized({"a.weight": np.array([[0, 0], [1, -2]], np.float32)})
    assert dequantized(packed)["a.weight"].tolist() == [[0, 0], pytest.approx([1, -2], abs=0.01)]


def test_a_network_in_8_bits_reads_as_before(tmp_path: Path) -> None:
    weights = random_weights()
    heads = {name for name in weights if name.startswith(("units", "scale"))}
    for file, chosen in (("tower", weights.keys() - heads), ("units", heads)):
        save_file(quantized({name: weights[name] for name in chosen}), tmp_path / f"{file}.safetensors")
    before, after = FaceNet(weights)(pictures()), read_net(tmp_path)(pictures())
    assert after.units == pytest.approx(before.units, abs=0.01)
    assert after.channels == pytest.approx(before.channels, abs=0.01)


def test_files_of_16_bits_are_read_as_they_are(tmp_path: Path) -> None:
    save_file({"a.weight": np.full((2, 3), 0.5, np.float16)}, tmp_path / "a.safetensors")
    found = read_weights(tmp_path / "a.safetensors")["a.weight"]
    assert found.dtype == np.float32
    assert (found == 0.5).all()


def test_a_missing_scale_is_named(tmp_path: Path) -> None:
    save_file({"a.weight": np.ones((2, 3), np.int8)}, tmp_path / "a.safetensors")
    with pytest.raises(RecordError, match=r"a\.safetensors: no tensor 'a\.weight\.scale'"):
        read_weights(tmp_path / "a.safetensors")
