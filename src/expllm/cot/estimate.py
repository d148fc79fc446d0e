"""Estimates calls, tokens and USD of a run before it starts, from best to worst case.

The best case is one round a sample, the worst is every round that is allowed. Tokens are counted as four
characters each, the usual rule for English; answers are taken to be as long as the paper allows.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from expllm.core.vocabulary import AUVector, Expression
from expllm.cot.case import Rules, labels_text, positive_text, unknown_text
from expllm.cot.prompt_set import Prompts
from expllm.data import Sample

_CHARACTERS_A_TOKEN: Final = 4
DESCRIPTION_TOKENS: Final = 300
"""Tokens of a free description: about twice the refined text's 130 words."""

REFINED_TOKENS: Final = 180
WORD_TOKENS: Final = 3
_LOOKED_AT: Final = 500
"""Samples whose prompts are really filled; the others are taken to be like them."""


@dataclass(frozen=True)
class Estimate:
    """A span (best, worst) of what a run takes.

    Attributes:
        samples: Faces.
        calls, prompt_tokens, completion_tokens: (best, worst).
        usd: (best, worst); None where no price is known.
    """

    samples: int
    calls: tuple[int, int]
    prompt_tokens: tuple[int, int]
    completion_tokens: tuple[int, int]
    usd: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def estimate_run(
    samples: Iterable[Sample],
    count: int,
    labels: tuple[Expression, ...],
    prompts: Prompts,
    rules: Rules,
    price: tuple[float, float] | None,
) -> Estimate:
    """The span for `count` samples, from the prompts of the first ones.

    Args:
        samples: The data; pictures are not read: a face without action units is taken to have none active.
        count: Samples of the run.
        labels: The label set.
        prompts: What is said.
        rules: How many rounds there may be, and who verifies.
        price: USD for a million tokens (prompt, completion).
    """
    seen = [_conversation(sample, labels, prompts, rules) for sample in islice(samples, _LOOKED_AT)]
    scale = count / max(len(seen), 1)

    def span(column: int) -> tuple[int, int]:
        best, worst = (round(scale * sum(one[case][column] for one in seen)) for case in (0, 1))
        return best, worst

    calls, prompt, completion = span(0), span(1), span(2)
    usd = None
    if price is not None:
        best, worst = ((prompt[i] * price[0] + completion[i] * price[1]) / 1e6 for i in (0, 1))
        usd = (best, worst)
    return Estimate(count, calls, prompt, completion, usd)


Totals = tuple[int, int, int]
"""Calls, prompt tokens, completion tokens."""


def _conversation(
    sample: Sample, labels: tuple[Expression, ...], prompts: Prompts, rules: Rules
) -> tuple[Totals, Totals]:
    """The totals of a sample that passes in its first round, and of one that never does."""
    aus = sample.aus or AUVector()
    positive, truth = positive_text(aus), (sample.expression or labels[0]).value
    describe = _tokens(prompts.fill("describe", positive=positive, unknown=unknown_text(aus)))
    express = _tokens(prompts.fill("express", labels=labels_text(labels)))
    judge = _tokens(prompts.fill("verify", positive=positive, expression=truth))
    feedback = _tokens(prompts.fill("feedback", problems=""))
    refine = _tokens(prompts.fill("refine", analysis="", expression=truth)) + DESCRIPTION_TOKENS
    judged = rules.verify != "rules"
    calls = prompt = completion = history = 0
    first: Totals = (0, 0, 0)
    for number in range(1, rules.max_rounds + 1):
        asked = describe if number == 1 else feedback
        described = history + asked
        named = described + DESCRIPTION_TOKENS + express
        history = named + WORD_TOKENS
        calls += 3 if judged else 2
        prompt += described + named + (history + judge if judged else 0)
        completion += DESCRIPTION_TOKENS + WORD_TOKENS * (2 if judged else 1)
        if number == 1:
            first = (calls + 1, prompt + refine, completion + REFINED_TOKENS)
    return first, (calls + 1, prompt + refine, completion + REFINED_TOKENS)


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_A_TOKEN)
