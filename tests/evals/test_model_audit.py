"""A language model reads claims beside the rules: asked once a text, both readings compared."""

import asyncio
import json
from pathlib import Path
from typing import Any

from chatserver import Fault
from serving import served
from waiting import HANG_S

from expllm.chat import OpenAIChat
from expllm.core.vocabulary import AU_NAMES, AUVector
from expllm.cot.sample_session import RunBudget
from expllm.evals.claim_comparison import AuditedText
from expllm.evals.claim_reading import question_hash
from expllm.evals.model_audit import (
    NO_CLAIMS,
    AuditModelSettings,
    AuditRun,
    ClaimReader,
    ModelAudit,
    model_audit,
)

UNITS = AUVector(dict.fromkeys(AU_NAMES, 0.0) | {"left brow lower": 0.6, "right brow lower": 0.6})
TEXTS = [
    AuditedText("a", "Both brows are strongly lowered. The left eyebrow jabberwocks.", UNITS),
    AuditedText("b", "The jaw drops widely.", UNITS),
]
READ = {
    "brows": [
        {"quote": "Both brows are strongly lowered", "action": "brow lower", "side": "both"},
        {"quote": "The left eyebrow jabberwocks", "action": "brow raise", "side": "left"},
        {"quote": "The lips are parted", "action": "jaw drop"},
    ],
    "jaw": [{"quote": "The jaw drops widely", "action": "jaw drop", "absent": True}],
}


def reads(payload: dict[str, Any]) -> str:
    text = payload["messages"][-1]["content"].rpartition("<text>")[2]
    return json.dumps({"claims": next(claims for word, claims in READ.items() if word in text)})


def passport(**changed: Any) -> AuditModelSettings:
    return AuditModelSettings(model="chat:m", prompt_hash=question_hash(), temperature=0.0, **changed)


def asked(path: Path, url: str, texts: list[AuditedText], **given: Any) -> ModelAudit:
    chat = OpenAIChat("m", base_url=url, api_key_env="EXPLLM_TEST_KEY", timeout=HANG_S, max_attempts=1)
    run = AuditRun.within(path, passport())
    with run.folder.locked():
        run.begin(passport())

    async def ask() -> None:
        reader = ClaimReader(chat)
        try:
            await run.ask(reader, texts, RunBudget(4), **given)
        finally:
            await reader.close()

    asyncio.run(ask())
    return model_audit(run, texts)


def test_both_readings_are_checked_and_compared(tmp_path: Path) -> None:
    with served(reads) as server:
        found = asked(tmp_path, server.url, TEXTS)
        assert len(server.seen) == 2
    assert (found.texts, found.complete, found.misquoted, found.malformed) == (2, True, 1, 0)
    assert found.verdicts["rules"] == {"contradicted": 1, "supported": 1}
    assert found.verdicts["model"] == {"contradicted": 1, "supported": 2}
    assert found.same == 1
    assert found.sentences == 3
    assert found.unread == {"rules": 1, "model": 0, "both": 0}
    alone, denied = found.disagreements
    assert (alone.sample, alone.words, alone.rules) == ("a", "The left eyebrow jabberwocks", None)
    assert alone.model == "brow raise, left: contradicted"
    assert denied.rules is not None
    assert denied.rules.endswith("contradicted")
    assert denied.model == "no jaw drop: supported"
    assert found.counts() == {"another verdict": 1, "read by the model only": 1}
    assert found.tokens[0] is not None
    assert json.loads(json.dumps(found.to_dict()))["disagreements"][0]["sample"] == "a"


def test_a_claim_that_the_model_leaves_out_is_a_disagreement(tmp_path: Path) -> None:
    with served(lambda _: '{"claims": []}') as server:
        found = asked(tmp_path, server.url, TEXTS)
    assert found.counts() == {"read by the rules only": 2}
    assert found.unread == {"rules": 1, "model": 3, "both": 1}


def test_nothing_is_asked_twice_and_a_changed_text_is_asked_about(tmp_path: Path) -> None:
    with served(reads) as server:
        first = asked(tmp_path, server.url, TEXTS)
        assert asked(tmp_path, server.url, TEXTS) == first
        assert len(server.seen) == 2
        changed = [TEXTS[0], AuditedText("b", "Now the jaw drops widely.", UNITS)]
        assert model_audit(AuditRun.within(tmp_path, passport()), changed).open == 1
        asked(tmp_path, server.url, changed)
        assert len(server.seen) == 3


def test_a_text_that_the_model_does_not_read_is_unscored_and_not_empty(tmp_path: Path) -> None:
    def prose(payload: dict[str, Any]) -> str:
        return "Lovely." if "jaw drops" in payload["messages"][-1]["content"] else reads(payload)

    with served(prose) as server:
        found = asked(tmp_path, server.url, TEXTS)
    assert found.unscored == {NO_CLAIMS: 1}
    assert not found.complete
    assert found.verdicts["rules"] == {"supported": 1}  # of the other text only: like is held against like


def test_a_failed_call_is_unscored_with_its_reason_and_can_be_tried_again(tmp_path: Path) -> None:
    with served(reads, faults={0: Fault.CUT_JSON, 1: Fault.CUT_JSON}) as server:
        found = asked(tmp_path, server.url, TEXTS)
        assert sum(found.unscored.values()) == 2
        assert all(why.startswith("the call failed: ") for why in found.unscored)
        again = asked(tmp_path, server.url, TEXTS, retry_failed=True)
    assert again.complete
    assert again.same == 1
