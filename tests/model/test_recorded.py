"""Steps whose shapes stay, beside plain reading. Without a card they are played, not recorded."""

from types import SimpleNamespace
from typing import Any

import pytest
import taught
import torch

from expllm.model import writing
from expllm.model.answers import Answerer
from expllm.model.bundle import new_bundle
from expllm.model.expllm import inner
from expllm.model.language import Language
from expllm.model.presets import preset
from expllm.model.recorded import Recorded


def language(dtype: torch.dtype = torch.float32) -> Language:
    llava = inner(new_bundle(preset("tiny"), taught.LABELS, seed=3, dtype=dtype).model)
    return Language(llava.model.language_model, llava.lm_head)


@torch.inference_mode()
def test_a_step_foretells_what_reading_does() -> None:
    reader = language()
    words = torch.randint(10, 300, (2, 9), generator=torch.Generator().manual_seed(0))
    real = torch.ones(2, 9, dtype=torch.bool)
    real[1, :4] = False  # the second text is shorter, and filled up at the left
    places = (torch.arange(9) - torch.tensor([[0], [4]])).clamp(min=0)
    found = []
    for still in (False, True):
        memory = reader.memory(2)
        memory.reserve(200)
        hidden = reader.read(reader.embed(words), memory, places, real=real)
        memory.keep(9, real)
        ids, told = reader.logits(hidden[:, -1]).argmax(-1), []
        for number in range(12):
            there = torch.tensor([9 + number, 5 + number])
            if still:
                ids, lead = reader.step(ids, there, torch.tensor([memory.length]), memory)
                ids = ids.long()
                assert (lead >= 0).all()
            else:
                hidden = reader.read(reader.embed(ids[:, None]), memory, there[:, None])
                ids = reader.logits(hidden[:, -1]).argmax(-1)
            memory.keep(1)
            told.append(ids.tolist())
        found.append((told, memory.keys[:, :, :, : memory.length]))
    assert found[0][0] == found[1][0]
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)


class Played(Recorded):
    """The same rows and the same inputs, played without a card."""

    recorded: list[int]

    def _record(self, rows: int) -> None:
        self.recorded = [*getattr(self, "recorded", []), rows]
        self._rows, self._given = rows, torch.zeros(3, rows, dtype=torch.long)
        self._graph: Any = SimpleNamespace(replay=self._play)

    def _play(self) -> None:
        self._next = self._step()


def test_texts_of_different_lengths_are_those_of_plain_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are done go on in the recording until half of them are: no other row may see that."""
    pictures = [taught.picture(taught.LABELS[place]) for place in (0, 1, 1, 1, 0, 1, 1)]
    plain = Answerer(taught.new())
    texts, after = plain.explanations(pictures, max_new_tokens=120), plain.both(pictures, max_new_tokens=120)
    played: list[Played] = []

    def steps(reader: Any, memory: Any, most: int) -> Played:
        played.append(Played(reader, memory))
        return played[-1]

    monkeypatch.setattr(writing, "steps", steps)
    same = Answerer(taught.new())
    assert same.explanations(pictures, max_new_tokens=120) == texts
    again = same.both(pictures, max_new_tokens=120)
    assert again.explanations == after.explanations
    assert abs(again.labels_after.sums - after.labels_after.sums).max() < 1e-4
    assert len({text.tokens for text in texts}) > 1
    assert played[0].recorded == [7, 2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card")
def test_a_card_records_what_the_processor_does() -> None:
    pictures = [taught.picture(label) for label in taught.LABELS[:2]] * 2
    bundle = taught.new()
    bundle.model.to("cuda")
    plain = Answerer(taught.new()).explanations(pictures, max_new_tokens=120)
    assert Answerer(bundle).explanations(pictures, max_new_tokens=120) == plain


def test_a_model_of_16_bits_keeps_its_angles() -> None:
    """Frequencies that were rounded to 16 bits would turn the 1,000th place by a radian too much."""
    exact, rounded = language(), language(torch.bfloat16)
    for one, other in zip(exact._turns(1000), rounded._turns(1000), strict=True):
        assert (one - other.float()).abs().max() < 0.01
