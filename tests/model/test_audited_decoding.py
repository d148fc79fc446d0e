"""Audited decoding: no refuted sentence stands, and what stands is what the model itself would go on from."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import taught
import torch
import varied
from taught import LABELS, picture
from test_cuda_graphs import graphs

from expllm.core.conversations import explanation_question, label_question
from expllm.core.records import CoT, as_first_written
from expllm.grounding import audit
from expllm.grounding.outline import ends_here, heading, split
from expllm.model.inference import audited_decoding
from expllm.model.inference.audited_decoding import Choice, Fed, TextDraft, uniform
from expllm.model.inference.backend import LlamaRows
from expllm.model.inference.generate import FaceVLM
from expllm.model.inference.vlm_output import GeneratedText
from expllm.model.model_inputs import preparer
from expllm.model.tokenize import label_tokens
from expllm.model.vlm import inner
from expllm.predict.verifying import REWRITTEN_VERDICTS, SentenceVerifier, verifier

FACES = [picture(label) for label in LABELS]
JUDGES = [verifier(aus) for aus in varied.AUS]


class Strict(SentenceVerifier):
    """Finds something wrong with every sentence."""

    def refuted(self, before: str, sentence: str) -> str | None:
        return "nothing pleases"


class Picky(SentenceVerifier):
    """Finds something wrong with the first version of every sentence, and nothing with any other."""

    def refuted(self, before: str, sentence: str) -> str | None:
        met = self.__dict__.setdefault("met", set())
        new = before not in met
        met.add(before)
        return "it is the first one" if new else None

    def replaceable(self, before: str, first: str, other: str) -> bool:
        return True


@cache
def vlm() -> FaceVLM:
    return FaceVLM(varied.new())


@cache
def audited() -> list[GeneratedText]:
    return vlm().explanations(FACES, verifiers=JUDGES)


def sentences(text: str) -> list[int]:
    """How many sentences stand under each heading of a text."""
    counts: list[int] = []
    for piece in split(text):
        if heading(piece.strip()):
            counts.append(0)
        elif counts:
            counts[-1] += 1
    return counts


def test_no_refuted_claim_stands_and_no_part_is_empty() -> None:
    for text, aus in zip(audited(), varied.AUS, strict=True):
        assert len(sentences(text.text)) >= 2
        assert 0 not in sentences(text.text)
        if aus is not None:
            assert not [one for one in audit(text.text, aus).checked if one.verdict in REWRITTEN_VERDICTS]
    assert [one for text in audited() for one in text.rejected or ()]


def test_a_sample_takes_the_place_of_a_refuted_sentence() -> None:
    aus = varied.AUS[0]
    assert aus is not None
    (text,) = vlm().explanations(FACES[:1], verifiers=[Picky(aus)])
    assert text.rejected
    assert text.sampled > 0
    for one in text.rejected:
        if one.sample is not None:
            assert one.replacement is not None
            assert text.text[one.start :].startswith(one.replacement)
    assert {1, 2, 3, 4} & {one.sample for one in text.rejected}
    assert not re.search(r":\*\*\S", text.text), "no sentence is glued to its heading"


def test_what_has_no_place_is_left_out_at_once() -> None:
    """No other version is drawn of it: the text is that of the rest, and the model reads on."""

    class Needless(Strict):
        def needless(self, sentence: str) -> bool:
            return True

    aus = varied.AUS[0]
    assert aus is not None
    (text,) = vlm().explanations(FACES[:1], verifiers=[Needless(aus)])
    (drawn,) = vlm().explanations(FACES[:1], verifiers=[Strict(aus)])
    assert text.sampled == 0 < (drawn.sampled or 0)
    assert text.rejected
    assert text.cot is not None, "each part has a sentence by the rules"
    assert text.text == drawn.text


def test_where_nothing_was_measured_nothing_is_refuted() -> None:
    plain = vlm().explanations(FACES)
    unmeasured = varied.AUS.index(None)
    assert audited()[unmeasured] == plain[unmeasured]
    assert plain[unmeasured].rejected is None
    agreeing = varied.measured(**{name.replace(" ", "_"): 0.5 for name in varied.measured()})
    with_judges = vlm().explanations(FACES[:2], verifiers=[verifier(agreeing)] * 2)
    assert [one.text for one in with_judges] == [one.text for one in plain[:2]]
    assert [one.rejected for one in with_judges] == [(), ()]


@pytest.mark.parametrize("size", [1, 3])
def test_a_text_does_not_depend_on_its_batch(size: int) -> None:
    found: list[GeneratedText] = []
    for at in range(0, len(FACES), size):
        found += vlm().explanations(FACES[at : at + size], verifiers=JUDGES[at : at + size])
    assert found == audited()


def test_what_was_rejected_goes_back_to_its_place() -> None:
    plain = vlm().explanations(FACES)
    for text, written in zip(audited(), plain, strict=True):
        first = as_first_written(text.text, text.rejected or ())
        assert all(one.sentence in first for one in text.rejected or ())
        if text.rejected:
            until = text.rejected[0].start + len(text.rejected[0].sentence)
            assert first[:until].strip() == written.text[:until].strip()


def test_labels_behind_audited_texts_equal_separate_sequences() -> None:
    """Memory holds what stands, or is read again: behind samples, and where sentences were left out."""
    bundle, own = varied.new(), vlm()
    prepared = preparer(bundle)
    encoder = prepared.encoder
    answers = own.generate(FACES, verifiers=JUDGES)
    assert [one.text for one in answers.explanations] == [one.text for one in audited()]
    again = explanation_question(taught.QUESTIONS).answered("-")
    whole = encoder.prompt(again.asked(label_question(LABELS, taught.QUESTIONS).turns[0].text))
    behind = whole[len(encoder.encode(again)) - 1 :]
    prompts = own._explanation_prompts(len(FACES), None, 256)
    drafts = own._drafts(prompts, JUDGES)
    own._write(own._look(FACES), prompts, drafts, 256)
    for row, image in enumerate(FACES):
        pixels = torch.from_numpy(np.asarray(prepared.pixels(image)["pixel_values"]))[None]
        prompt = [*prompts[row], *drafts[row].text, own._end, *behind]
        expected = []
        for word in (label_tokens(encoder, label) for label in LABELS):
            with torch.inference_mode():
                found = inner(bundle.model)(input_ids=torch.tensor([[*prompt, *word]]), pixel_values=pixels)
            told = found.logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            expected.append(float(told[torch.arange(len(word)), torch.tensor(word)].sum()))
        assert np.abs(answers.labels_after.sums[row] - expected).max() < 1e-4


def test_a_stream_never_shows_a_rejected_sentence() -> None:
    for face, judge, text in zip(FACES, JUDGES, audited(), strict=True):
        assert "".join(vlm().stream(face, verifier=judge)) == text.text


def test_if_every_sentence_is_refuted_the_headings_stand_over_sentences_by_rules() -> None:
    aus = varied.AUS[0]
    assert aus is not None
    (text,) = vlm().explanations(FACES[:1], verifiers=[Strict(aus)])
    counts = sentences(text.text)
    assert len(counts) >= 2
    assert set(counts) == {1}
    assert text.rejected
    assert {one.sample for one in text.rejected} == {None}
    assert sum(one.replacement is not None for one in text.rejected) == len(counts)
    assert len(text.rejected) > len(counts)  # the others were left out


def test_a_text_that_ends_at_the_limit_is_audited_too() -> None:
    for most in (9, 30):
        for text, aus in zip(
            vlm().explanations(FACES, max_new_tokens=most, verifiers=JUDGES), varied.AUS, strict=True
        ):
            assert text.problem is not None
            assert "cut off" in text.problem
            if aus is not None:
                assert not [one for one in audit(text.text, aus).checked if one.verdict in REWRITTEN_VERDICTS]


def test_copies_of_a_row_read_on_as_the_row_itself() -> None:
    """A text that goes back, waits and goes on beside others foretells what it does alone."""
    own = vlm()
    backend: Any = own._backend
    prompts = own._explanation_prompts(2, None, 60)
    drafts = [TextDraft(own._tokenizer) for _ in prompts]
    own._write(own._look(FACES[:2]), prompts, drafts, 40)
    texts = [draft.text for draft in drafts]

    rows = LlamaRows(backend, backend.look([own._preparer.pixels(face) for face in FACES[:2]]), prompts, 60)
    found = rows.start()
    assert [found[number].token for number in (0, 1)] == [text[0] for text in texts]
    for place in range(10):
        found = rows.step({number: Fed(texts[number][place]) for number in (0, 1)})
    numbers, first = rows.fork(0, 5, 3)
    assert first == texts[0][5]
    for place in range(5, 10):  # the copies, and the second text, while the first one waits
        fed = {number: Fed(texts[0][place]) for number in numbers}
        found = rows.step(fed | {1: Fed(texts[1][place + 5])})
        assert {found[number].token for number in numbers} == {texts[0][place + 1]}
        assert found[1].token == texts[1][place + 6]
    rows.drop(numbers[1])
    found = rows.step({0: Fed(texts[0][10]), numbers[2]: Fed(texts[0][10])})
    assert found[0] == found[numbers[2]] == Choice(texts[0][11], 0.0)
    rows.finish([numbers[0], 1])


def test_recorded_steps_write_the_same() -> None:
    """Memory moves when rows are added to it or room is: what was recorded of it is recorded anew."""
    with graphs().recorded_steps():
        assert vlm().explanations(FACES, verifiers=JUDGES) == audited()


def test_noise_draws_tokens_as_often_as_they_are_probable() -> None:
    logits = np.log(np.array([0.6, 0.3, 0.1], np.float32))
    drawn = [int((logits + audited_decoding._gumbel(b"seed", place, 3)).argmax()) for place in range(4000)]
    shares = np.bincount(drawn, minlength=3) / len(drawn)
    cooled = np.array([0.6, 0.3, 0.1]) ** (1 / audited_decoding.TEMPERATURE)
    assert np.abs(shares - cooled / cooled.sum()).max() < 0.03


@pytest.mark.parametrize(("before", "after", "ended"), [
    ("The jaw drops.", " The", True), ("measured 0.", "25", False), ("The jaw drops", "\n\n**", True),
    ("**Conclusion:**", " So", True), ("**Conclusion", " So", False), ("\n\n", "**", False),
    ('It "drops."', " The", True), ("The jaw drops", "", True), ("", " The", False),
])  # fmt: skip
def test_where_sentences_end(before: str, after: str, ended: bool) -> None:
    assert ends_here(before, after) is ended


def test_sentences_are_the_text() -> None:
    for label in LABELS:
        for cot in varied.texts(label):
            pieces: Sequence[str] = split(cot.text)
            assert "".join(pieces) == cot.text
            assert [name for piece in pieces if (name := heading(piece.strip()))] == list(CoT.HEADINGS)
            assert not [pair for pair in pairwise(pieces) if "." in pair[0][:-1]]


def test_no_draw_is_endless() -> None:
    """The largest draw once rounded to 1: its noise was endless, and its token taken whatever it was."""
    bits = np.array([0, 1 << 40, (1 << 64) - (1 << 41), (1 << 64) - 1], np.uint64)
    drawn = uniform(bits)
    assert ((drawn > 0) & (drawn < 1)).all()
    assert np.isfinite(np.log(-np.log(drawn))).all()
