"""`expllm analyze examples/faces`: no text says what the measured action units refute."""

import os
from collections import Counter

import pytest
from calling import process
from conftest import ASTRONAUT

from expllm.grounding import audit
from expllm.model.shipped import missing_packages
from expllm.predict.verifying import REWRITTEN_VERDICTS

pytestmark = pytest.mark.slow
FACES = ASTRONAUT.parent
PATIENCE_S = 1800.0
"""Twenty texts; the machine may be busy."""
needs_packages = pytest.mark.skipif(bool(missing_packages()), reason="needs the model's packages")


@pytest.mark.parametrize("threads", ["1", "2", "4"])
@pytest.mark.parametrize("model", ["rules", pytest.param("compact", marks=needs_packages)])
def test_no_claim_is_refuted(model: str, threads: str) -> None:
    # More threads than cores: by default MKL would not have them.
    env = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_DYNAMIC": "FALSE"}
    shown = process(
        "analyze", FACES, "--model", model, "--format", "jsonl", "-q", env=env, timeout=PATIENCE_S
    )
    assert shown.code == 0, shown.err
    faces = [one for one in shown.analyses if one.status == "ok"]
    assert {one.input for one in faces} == {str(path) for path in FACES.glob("*.jpg")}
    found = Counter[str]()
    for face in faces:
        text = face.cot.text if face.cot is not None else ""
        assert text
        assert face.aus is not None
        report = audit(text, face.aus, face.expression)
        assert [one for one in report.checked if one.verdict in REWRITTEN_VERDICTS] == [], text
        assert face.provenance is not None
        assert face.provenance.writer.startswith("compact (sha256 " if model == "compact" else "offline")
        found += Counter(claims=len(report.checked), unread=len(report.unread))
    assert found["claims"] > 4 * len(faces)
    assert found["unread"] == 0
