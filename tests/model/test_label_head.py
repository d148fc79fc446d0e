"""A readout of labels beside the language model: what answers, and with whose temperature."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from smallconv import SMALL

from expllm.core.vocabulary import label_set
from expllm.model.bundle import new_bundle
from expllm.model.checkpoint import load_model, save
from expllm.model.hub.merge import merge_model
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.label_head import LabelHead
from expllm.model.manifest import LABEL_HEAD, ModelError, read_manifest, sha256, write_manifest
from expllm.model.tensors import save_weights
from expllm.model.vlm import inner

LABELS = label_set(7)
WIDTH = SMALL.tower.hidden
FACES = [
    Image.radial_gradient("L").convert("RGB").resize((90, 110)),
    Image.new("RGB", (48, 48), (90, 70, 60)),
]


def some_head(labels: int = len(LABELS), width: int = WIDTH) -> LabelHead:
    draws = torch.Generator().manual_seed(5)
    return LabelHead(torch.randn(labels, width, generator=draws), torch.randn(labels, generator=draws))


def put(folder: Path, head: LabelHead, **extra: object) -> Path:
    """As `scripts/fit_label_head.py` puts it into a model's folder."""
    save_weights(head.tensors(), folder / LABEL_HEAD)
    manifest = read_manifest(folder)
    written = (sha256(folder / LABEL_HEAD), (folder / LABEL_HEAD).stat().st_size)
    files = {**manifest.files, LABEL_HEAD: written}
    write_manifest(folder, replace(manifest, files=files, extra={**manifest.extra, **extra}))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "model", new_bundle(SMALL, LABELS, seed=1), {})
    return tmp_path / "model"


def by_hand(folder: Path, head: LabelHead, temperature: float, *, mirrored: bool) -> np.ndarray:
    vlm = FaceVLM.load(folder)
    looks = []
    for flip in (False, True)[: 1 + mirrored]:
        pictures = [face.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else face for face in FACES]
        pixels = np.stack([vlm._preparer.pixels(one)["pixel_values"] for one in pictures])
        with torch.no_grad():
            seen = (
                inner(load_model(folder).model)
                .model.vision_tower(torch.from_numpy(pixels))
                .last_hidden_state[:, 0]
                .double()
            )
        looks.append((seen @ head.weight.double().T + head.bias.double()).log_softmax(-1))
    mean = torch.stack(looks).mean(0).log_softmax(-1)
    return (mean / temperature).log_softmax(-1).numpy()


@pytest.mark.parametrize("mirrored", [False, True])
def test_labels_are_the_readouts_of_what_the_tower_sees(folder: Path, *, mirrored: bool) -> None:
    head = some_head()
    put(folder, head, mirrored=mirrored, temperature=0.5)
    found = FaceVLM.load(folder).score_labels(FACES)
    expected = by_hand(folder, head, 0.5, mirrored=mirrored)
    assert np.abs(found.log_probabilities - expected).max() < 1e-4
    assert found.labels == LABELS


def test_the_text_is_told_that_label_and_the_label_behind_it_is_the_language_models(folder: Path) -> None:
    plain = FaceVLM.load(folder)
    spoken = plain.generate(FACES, "explanation-first", max_new_tokens=4)
    told = FaceVLM.load(put(folder, some_head(), temperature=0.5, language_temperature=2.0))
    answers = told.generate(FACES, "label-first", max_new_tokens=4)
    assert answers.labels.best == told.score_labels(FACES).best
    expected = plain.explanations(FACES, answers.labels.best, max_new_tokens=4)
    assert [one.text for one in answers.explanations] == [one.text for one in expected]
    again = told.generate(FACES, "explanation-first", max_new_tokens=4).labels_after
    assert np.abs(again.sums - spoken.labels_after.sums).max() < 1e-4
    scaled = torch.from_numpy(again.sums / 2.0).log_softmax(-1).numpy()
    assert np.abs(again.log_probabilities - scaled).max() < 1e-9


def test_a_merged_folder_keeps_it(folder: Path, tmp_path: Path) -> None:
    put(folder, some_head(), temperature=0.7, mirrored=True)
    merge_model(folder, tmp_path / "merged")
    one, other = (FaceVLM.load(path).score_labels(FACES) for path in (folder, tmp_path / "merged"))
    assert np.abs(one.log_probabilities - other.log_probabilities).max() < 1e-4


def test_a_model_that_is_saved_anew_has_none(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "again", load_model(put(folder, some_head())), {})
    assert LabelHead.read(tmp_path / "again", read_manifest(tmp_path / "again")) is None


@pytest.mark.parametrize("head", [some_head(labels=8), some_head(width=WIDTH + 1)])
def test_one_of_another_model_is_refused(folder: Path, head: LabelHead) -> None:
    with pytest.raises(ModelError, match=f"is not for 7 labels and a tower of width {WIDTH}"):
        FaceVLM.load(put(folder, head))
