"""The six processes with language models that word things very differently: what is read, refuted, unread."""

import json
from pathlib import Path

import pytest
import voices
from running import order, served

from expllm.cli.cot_make import work
from expllm.cot.explanation import CotRecord
from expllm.cot.ledger import Ledger
from expllm.cot.merged_journal import merged_journals
from expllm.files.runs import RunFolder
from expllm.grounding import audit
from expllm.grounding.audit import WRONG

ANSWERS = {"novelist": voices.novelist, "clinician": voices.clinician, "learner": voices.learner}


def write_faces(path: Path) -> Path:
    rows = []
    for number, (label, aus) in enumerate(voices.faces()):
        units = {name.title(): value for name, value in aus.active().items()}
        rows.append({"id": f"f{number}", "expression": label.title(), "aus": units, "cot": ""})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ANSWERS)
def test_the_ledger_shows_what_was_read_in_any_wording(tmp_path: Path, name: str) -> None:
    faces = voices.faces()
    with served(ANSWERS[name]) as server:
        work(order(write_faces(tmp_path / "faces.jsonl"), tmp_path / "run", server.url))
    ledger = Ledger.of(RunFolder(tmp_path / "run"))
    first, revised = ledger.audited["AU2Des"], ledger.audited["Feedback Reflection"]
    assert first.texts == len(faces)
    assert first.refuted >= len(faces)  # one invented movement each
    assert first.unread >= len(faces)  # and one sentence beyond checking
    assert first.claims > first.refuted
    assert revised.texts >= len(faces)  # no first description passes
    assert (revised.refuted / revised.claims) < (first.refuted / first.claims)
    found = ledger.verdicts["Result Verification"]
    assert found.wrong["readable"] >= len(faces)
    assert found.wrong["units"] >= len(faces)
    assert ledger.status == {"resolved": len(faces)}
    shipped = ledger.audited["Format Refinement"]
    assert shipped.refuted == 0
    assert shipped.texts >= len(faces)


@pytest.mark.parametrize("name", ANSWERS)
def test_no_shipped_text_holds_what_is_refuted_or_cannot_be_checked(tmp_path: Path, name: str) -> None:
    with served(ANSWERS[name]) as server:
        work(order(write_faces(tmp_path / "faces.jsonl"), tmp_path / "run", server.url, verify="rules"))
    run = RunFolder(tmp_path / "run")
    with merged_journals(run) as journals:
        records = [CotRecord.from_dict(journals.outcome(one).record) for one in journals.ended]
    assert len(records) == len(voices.faces())
    for record in records:
        assert record.cot is not None, record.reason
        assert record.aus is not None
        report = audit(record.cot, record.aus)
        assert not report.unread
        assert not any(report.counts.get(verdict) for verdict in WRONG)
