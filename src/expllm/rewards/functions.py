"""The rewards one by one, each 0-1, in the form that TRL's `GRPOTrainer(reward_funcs=[...])` takes.

Columns of the data set that they read, one value a completion:

* `aus`: what was measured of the face: name -> intensity 0-1, None or NaN where not measured; or 24 numbers
  in FEAFA's order, 31 with the units of FACS alone, or either as JSON.
* `label`: the true expression by its name.
* `label_probabilities`: optional; expression -> probability that a model gives it, once it has read the text.
* `answer`: optional; the label that the model gave before it explained (label first).

Any other column is passed over. A completion is a text, or a list of messages of which the last one counts;
what stands before its answer in `<think>` is cut off. Columns are lists, arrays or tensors.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from expllm.core.errors import RecordError
from expllm.core.records import CoT
from expllm.core.vocabulary import AUVector, Expression
from expllm.cot.format_check import WORD_LIMIT, surface_problems
from expllm.grounding.conclusion import concluded
from expllm.grounding.emotions import conflicts, read_emotions
from expllm.grounding.outline import split
from expllm.rewards.evidence import Evidence, evidence
from expllm.rewards.reward_columns import (
    CompletionText,
    column_rows,
    label_shares,
    measured_units,
    true_label,
)

Rewards = list[float | None]
LEAST_WORDS: Final = 30
"""A text of fewer words earns its form in their share: three parts with something in them have as many."""
_PROBLEM: Final = 0.25
"""What a broken rule of form takes away."""


def label_reward(
    prompts: Any, completions: Sequence[CompletionText], *, label: Sequence[str | None] = (),
    label_probabilities: Sequence[Mapping[str, float | None] | None] = (), **columns: Any,
) -> Rewards:  # fmt: skip
    """The probability of the true label behind the text; without probabilities, whether it concludes so."""
    rows = column_rows(completions, label, label_probabilities)
    read = ((text, true_label(true), label_shares(shares)) for text, true, shares in rows)
    return [None if true is None else _label_share(text, true, shares) for text, true, shares in read]


def action_units_reward(
    prompts: Any, completions: Sequence[CompletionText], *,
    aus: Sequence[Mapping[str, float | None] | None] = (), **columns: Any,
) -> Rewards:  # fmt: skip
    """F1 of the action units told: recall by intensity, precision by units of the right side.

    Of a face at rest, a text earns all by saying so and less for each unit that it claims.
    """
    return _by_evidence(completions, aus, _f1)


def refuted_reward(
    prompts: Any, completions: Sequence[CompletionText], *,
    aus: Sequence[Mapping[str, float | None] | None] = (), **columns: Any,
) -> Rewards:  # fmt: skip
    """Supported units / (supported + refuted): a text that claims nothing earns nothing."""
    return _by_evidence(completions, aus, _unrefuted)


def degree_reward(
    prompts: Any, completions: Sequence[CompletionText], *,
    aus: Sequence[Mapping[str, float | None] | None] = (), **columns: Any,
) -> Rewards:  # fmt: skip
    """How well degrees fit, as a mean over the units that the text tells truly; None for a face at rest."""
    return _by_evidence(completions, aus, lambda one: None if one.at_rest else _degrees(one))


def read_reward(
    prompts: Any, completions: Sequence[CompletionText], *,
    aus: Sequence[Mapping[str, float | None] | None] = (), **columns: Any,
) -> Rewards:  # fmt: skip
    """1 / (1 + sentences about the face that no claim was read from); 0 where nothing definite is claimed.

    Sentences are counted, not their share: what can be read does not make up for what cannot.
    """
    return [
        _read(evidence(text, measured_units(row) or _NOTHING)) for text, row in column_rows(completions, aus)
    ]


def form_reward(prompts: Any, completions: Sequence[CompletionText], **columns: Any) -> Rewards:
    """Three headed parts, 30 to 130 words, the rules of form, and no sentence twice; 0 without the parts."""
    return [_form(text) for (text,) in column_rows(completions)]


def agreement_reward(
    prompts: Any, completions: Sequence[CompletionText], *, answer: Sequence[str | None] = (),
    label_probabilities: Sequence[Mapping[str, float | None] | None] = (), **columns: Any,
) -> Rewards:  # fmt: skip
    """Whether the text concludes with the label that is answered, and no part of it conflicts with that.

    With `answer` it must conclude with that label; with `label_probabilities` it earns the probability of
    what it concludes with. Without either, a text that agrees with itself earns all.
    """
    rows = column_rows(completions, answer, label_probabilities)
    return [_agreement(text, true_label(one, "answer"), label_shares(shares)) for text, one, shares in rows]


_NOTHING: Final = AUVector()


def _by_evidence(
    completions: Sequence[CompletionText], aus: Sequence[Mapping[str, float | None] | None],
    score: Callable[[Evidence], float | None],
) -> Rewards:  # fmt: skip
    return [
        None if (known := measured_units(row)) is None else score(evidence(text, known))
        for text, row in column_rows(completions, aus)
    ]


def _f1(one: Evidence) -> float:
    if one.at_rest:
        return 1 / (1 + len(one.false)) if one.denials else 0.0
    both = one.precision + one.recall
    return 2 * one.precision * one.recall / both if both else 0.0


def _unrefuted(one: Evidence) -> float:
    """What a text is not sure of counts half, and its other half as if it were refuted."""
    rest = 1 if one.at_rest and one.denials else 0
    right = one.weight + rest
    return right / (len(one.supported) + rest + len(one.refuted)) if right else 0.0


def _read(one: Evidence) -> float:
    definite = one.claims > one.padding or (one.at_rest and one.denials)
    return 1 / (1 + one.unread) if definite else 0.0


def _degrees(one: Evidence) -> float:
    return sum(one.degrees.values()) / len(one.degrees) if one.degrees else 0.0


def _label_share(text: str, true: Expression, shares: Mapping[str, float | None] | None) -> float:
    if not text.strip():
        return 0.0
    return float(concluded(text) is true) if shares is None else float(shares.get(true.value) or 0.0)


def _agreement(text: str, answer: Expression | None, shares: Mapping[str, float | None] | None) -> float:
    said = concluded(text)
    if said is None or conflicts(read_emotions(text), said):
        return 0.0
    if answer is not None:
        return float(said is answer)
    return 1.0 if shares is None else float(shares.get(said.value) or 0.0)


def _form(text: str) -> float:
    try:
        cot = CoT.parse(text)
    except RecordError:
        return 0.0
    sentences = [sentence.strip().casefold() for sentence in split(text) if sentence.strip()]
    words = cot.word_count
    length = min(1.0, words / LEAST_WORDS, max(0.0, 2 - words / WORD_LIMIT))
    rules = max(0.0, 1 - _PROBLEM * len(surface_problems(text, cot)))
    return length * rules * len(set(sentences)) / len(sentences)
