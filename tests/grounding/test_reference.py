"""The published texts, where they are: what the audit says to them, and to the offline writer."""

from pathlib import Path

import pytest

from expllm.cot.rule_writer import write_cot
from expllm.data import Sample, open_dataset
from expllm.grounding import Verdict, audit

NOT_WRONG = {Verdict.SUPPORTED, Verdict.OUTSIDE}


@pytest.fixture(scope="module")
def samples(shared: Path) -> list[Sample]:
    published = shared / "data" / "exp_cot_reference.jsonl"
    if not published.exists():
        pytest.skip("needs ../shared/data/exp_cot_reference.jsonl, which is not here")
    return list(open_dataset(str(published)))[::10]


def test_published_texts_are_mostly_supported(samples: list[Sample]) -> None:
    checked = [c for s in samples if s.text and s.aus for c in audit(s.text, s.aus, s.expression).checked]
    assert len(checked) > 7 * len(samples)
    assert sum(c.verdict in NOT_WRONG for c in checked) > 0.94 * len(checked)


def test_the_offline_writer_raises_no_alarm(samples: list[Sample]) -> None:
    for sample in samples:
        assert sample.aus is not None
        assert sample.expression is not None
        report = audit(write_cot(sample.aus, sample.expression), sample.aus, sample.expression)
        assert [c for c in report.checked if c.verdict is not Verdict.SUPPORTED] == []
        assert report.label_in_conclusion
        assert report.label_conflicts == ()
