"""Which expression a text ends with: the main one, and none where it does not say."""

from pathlib import Path

import pytest

from expllm.core.vocabulary import Expression
from expllm.data import open_dataset
from expllm.grounding import concluded

E = Expression


@pytest.mark.parametrize(
    ("conclusion", "expected"),
    [
        ("The face shows anger.", E.ANGER),
        ("This is joy, with a hint of surprise.", E.HAPPINESS),
        ("Fear, not surprise, is shown.", E.FEAR),
        ("It is predominantly sadness, mixed with some anger.", E.SADNESS),
        ("Surprise and fear are shown.", None),
        ("It may be contempt.", E.CONTEMPT),
        ("The movements are strong.", None),
    ],
)
def test_the_conclusion_of_a_text(conclusion: str, expected: Expression | None) -> None:
    headed = (
        "**Key Observations:** The brows are drawn, as in disgust.\n\n"
        f"**Overall Emotional Interpretation:** Clearly disgust.\n\n**Conclusion:** {conclusion}"
    )
    assert concluded(conclusion) is expected
    assert concluded(headed) is expected


def test_published_conclusions_name_their_label(shared: Path) -> None:
    rows = [row for row in open_dataset(str(shared / "data" / "exp_cot_reference.jsonl")) if row.text]
    found = [concluded(row.text or "") is row.expression for row in rows]
    assert len(found) == 2070
    assert sum(found) >= 1980
