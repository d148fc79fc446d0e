"""The docs say what the code does: generated parts, links, the bundled example."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import AU_NAMES
from expllm.predict.predictor import Predictor

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
FENCED = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_generated_parts_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "make_docs.py"), "--check"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_somewhere(page: Path) -> None:
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    targets = [found["target"] for found in LINK.finditer(prose)]
    relative = [t.partition("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    assert [t for t in relative if not (page.parent / t).exists()] == []


def test_the_example_is_what_the_reader_reads_now() -> None:
    kept = FaceAnalysis.from_json((ROOT / "docs" / "example.json").read_text(encoding="utf-8"))
    with Predictor() as predictor:
        (found,) = predictor.analyze(ROOT / kept.input)
    assert kept.aus is not None
    assert found.aus is not None
    assert found.aus.measured == kept.aus.measured
    for name in AU_NAMES:
        assert found.aus[name] == pytest.approx(kept.aus[name], abs=0.02), name
    assert found.expression == kept.expression
