"""`expllm eval cot` and `eval ladder`: what is saved and printed, how judges fail. A small random model."""

import json
import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from calling import call
from chatserver import Fault
from conftest import ASTRONAUT
from explanations import fair, reference_file
from PIL import Image
from replies import CASES, canned
from serving import served
from waiting import HANG_S

from expllm.core.vocabulary import label_set
from expllm.evals.saved_answers import EvalRun
from expllm.model import checkpoint
from expllm.model.bundle import new_bundle
from expllm.model.presets import preset

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model`, `faces/CLASS/N.png` without a face but for one, and `texts.jsonl` with units and texts."""
    path = tmp_path_factory.mktemp("place")
    checkpoint.save(path / "model", new_bundle(preset("tiny"), label_set(7), seed=3), {})
    for number, label in enumerate(("fear", "anger", "sadness")):
        (path / "faces" / label).mkdir(parents=True)
        colour = (80 * number, 99, 255 - 80 * number)
        Image.new("RGB", (40, 40), colour).save(path / "faces" / label / f"{number}.png")
    (path / "faces" / "happiness").mkdir()
    shutil.copy(ASTRONAUT, path / "faces" / "happiness" / "3.jpg")
    reference_file(path / "texts.jsonl")
    return path


def as_json(*arguments: str | Path, code: int = 0) -> Any:
    done = call("eval", *arguments, "--json", "-q")
    assert done.code == code, done.err
    return json.loads(done.out)


def judged_by(url: str, *more: str) -> tuple[str, ...]:
    return (
        "--judge",
        "chat:m",
        "--base-url",
        url,
        "--key-env",
        "EXPLLM_TEST_KEY",
        "--timeout",
        str(HANG_S),
        *more,
    )


def test_a_model_explains_pictures(place: Path, tmp_path: Path) -> None:
    found = as_json(
        "cot",
        place / "model",
        place / "faces",
        "-o",
        tmp_path / "run",
        "--max-new-tokens",
        "12",
        "--batch-size",
        "3",
    )
    assert found["grounding"]["texts"] == 4
    assert found["grounding"]["unmeasured"] == 3  # pictures of one colour
    assert found["grounding"]["well_formed"]["estimate"] == 0
    assert found["grounding"]["labels_agree"] is not None
    assert found["judges"] == []
    assert found["settings"]["seed"] == 0
    answers = EvalRun(tmp_path / "run").answers()
    face = next(answer for answer in answers if answer.truth == "happiness")
    assert face.aus is not None
    assert "happiness" in (face.reference or "")
    assert all(answer.text is not None and answer.problem is not None for answer in answers)
    assert all(answer.label_after is not None for answer in answers)


def test_the_offline_writer_without_pictures(place: Path, tmp_path: Path) -> None:
    done = call(
        "eval", "cot", "offline", place / "texts.jsonl", "-o", tmp_path / "run", "--judge", "scripted"
    )
    assert done.code == 0, done.err
    for words in ("explanations of 12 faces, seed 0", "claims supported by the action units", "100.0",
                  "claims: ", " supported", "Exp-CoT score by scripted", "key observations, 0-5",
                  "Krippendorff's alpha 1.00", "12 faces (cot)", "macro-F1"):  # fmt: skip
        assert words in " ".join(done.out.split()), words


def test_rescore_needs_neither_model_nor_data_nor_judge(place: Path, tmp_path: Path) -> None:
    shutil.copy(place / "texts.jsonl", tmp_path / "texts.jsonl")
    with served(fair) as server:
        first = call(
            "eval", "cot", "offline", tmp_path / "texts.jsonl", "-o", tmp_path / "run", *judged_by(server.url)
        )
    assert first.code == 0, first.err
    assert len(server.seen) == 24
    scores = (tmp_path / "run" / "scores.json").read_bytes()
    (tmp_path / "texts.jsonl").unlink()
    again = call("eval", "rescore", tmp_path / "run")
    assert (again.code, again.out) == (0, first.out)
    assert (tmp_path / "run" / "scores.json").read_bytes() == scores
    (judge,) = json.loads(scores)["judges"]
    assert judge["passport"]["judge"] == "chat:m"
    assert (judge["scored"], judge["readings"], judge["models"]) == (12, 24, ["m"])


def test_answers_are_kept_where_another_judge_is_asked(place: Path, tmp_path: Path) -> None:
    run = ("cot", "offline", place / "texts.jsonl", "-o", tmp_path / "run")
    plain = as_json(*run)
    before = (tmp_path / "run" / "answers.jsonl").read_bytes()
    with served(fair) as server:
        by_chat = as_json(*run, *judged_by(server.url))
    by_both = as_json(*run, "--judge", "scripted")
    assert (tmp_path / "run" / "answers.jsonl").read_bytes() == before
    assert by_chat["grounding"] == by_both["grounding"] == plain["grounding"]
    one, two = by_both["judges"]
    assert one["totals"] == two["totals"]  # the server judges by the same rules


def test_a_judge_that_answers_prose(place: Path, tmp_path: Path) -> None:
    with served(lambda _: "Lovely.") as server:
        done = call(
            "eval", "cot", "offline", place / "texts.jsonl", "-o", tmp_path / "run", *judged_by(server.url)
        )
    assert done.code == 3
    assert "24 of 24 readings unscored: no verdict that counts in the reply" in done.out
    assert "12 of 12 texts unscored" in done.out
    assert call("eval", "rescore", tmp_path / "run").code == 3


THINKING = next(case.reply for case in CASES if case.name == "length-null")
FLAGGED = next(case.reply for case in CASES if case.name == "openrouter-403")


def test_a_judge_that_thinks_too_long_is_unscored_and_asked_again_with_more_tokens(
    place: Path, tmp_path: Path
) -> None:
    run = ("cot", "offline", place / "texts.jsonl", "-o", tmp_path / "run")
    with served(fair, canned=lambda payload: THINKING if payload["max_tokens"] < 5000 else None) as server:
        found = as_json(*run, *judged_by(server.url), code=3)
        assert len(server.seen) == 24  # each question once
        again = as_json(*run, *judged_by(server.url), "--judge-max-new-tokens", "5000", "--retry-failed")
        sent = [json.loads(seen.body or b"")["max_tokens"] for seen in server.seen]
    (judge,) = found["judges"]
    assert judge["unscored"] == {"the call failed: out-of-tokens": 24}
    assert "raise --judge-max-new-tokens" in judge["said"]["the call failed: out-of-tokens"]
    assert (again["judges"][0]["unscored"], again["judges"][0]["scored"]) == ({}, 12)
    assert sent == [200] * 24 + [5000] * 24


def test_a_filter_at_the_judge_s_server_leaves_a_reading_unscored_with_its_reason(
    place: Path, tmp_path: Path
) -> None:
    run = ("cot", "offline", place / "texts.jsonl", "-o", tmp_path / "run")
    number = count()
    with served(fair, canned=lambda payload: None if next(number) % 2 else FLAGGED) as server:
        found = as_json(*run, *judged_by(server.url), code=3)
        as_json(*run, *judged_by(server.url), code=3)
        assert len(server.seen) == 24
    (judge,) = found["judges"]
    assert judge["unscored"] == {"a filter at the server declined": 12}
    assert "The input was flagged" in judge["said"]["a filter at the server declined"]
    shown = call("eval", "rescore", tmp_path / "run")
    assert "a filter at the server declined (for example" in " ".join(shown.out.split())


def test_a_judge_whose_server_knows_only_the_new_name_of_the_token_limit(place: Path, tmp_path: Path) -> None:
    refusal = {"error": {"message": "Unsupported parameter: max_tokens", "param": "max_tokens"}}
    with served(fair, canned=lambda p: canned(refusal, 400) if "max_tokens" in p else None) as server:
        for name in ("one", "two"):
            run = ("cot", "offline", place / "texts.jsonl", "-o", tmp_path / name)
            found = as_json(*run, *judged_by(server.url), "--max-new-tokens", "900", "--temperature", "none")
            assert found["judges"][0]["scored"] == 12
        sent = [json.loads(seen.body or b"") for seen in server.seen]
    assert not any("temperature" in one for one in sent)
    assert sum("max_tokens" in one for one in sent) <= 16  # those that were under way in each run
    assert {one["max_completion_tokens"] for one in sent if "max_tokens" not in one} == {900}


def test_a_judge_that_fails_half_of_the_time(place: Path, tmp_path: Path) -> None:
    run = ("cot", "offline", place / "texts.jsonl", "-o", tmp_path / "run")
    with served(fair, faults=lambda n: Fault.TOO_LONG_PROMPT if n % 2 else None) as server:
        found = as_json(*run, *judged_by(server.url), code=3)
    assert found["judges"][0]["unscored"] == {"the call failed: context-length": 12}
    assert found["judges"][0]["open"] == 0
    assert found["judges"][0]["score"] is not None
    with served(fair) as server:
        mended = as_json(*run, *judged_by(server.url, "--retry-failed"))
        assert len(server.seen) == 12
    assert mended["judges"][0]["scored"] == 12


def test_references_of_an_export(place: Path, tmp_path: Path) -> None:
    """Texts made before, by a run and by its export; faces without one are not drawn."""
    made = call("cot", "make", place / "texts.jsonl", "-o", tmp_path / "made", "--limit", "5", "-q")
    assert made.code == 0, made.err
    exported = call("cot", "export", tmp_path / "made", "--to", "jsonl", "-o", tmp_path / "out.jsonl")
    assert exported.code == 0, exported.err
    lines = tmp_path / "out.jsonl"
    of_run = as_json(
        "cot", "offline", place / "texts.jsonl", "--reference", tmp_path / "made", "-o", tmp_path / "a"
    )
    of_file = as_json("cot", "offline", place / "texts.jsonl", "--reference", lines, "-o", tmp_path / "b")
    assert of_run["rows"] == of_file["rows"] == 5
    digests = [one["settings"]["explained"]["reference_digest"] for one in (of_run, of_file)]
    assert digests[0] == digests[1]
    refused = call("eval", "cot", "offline", place / "faces", "--reference", lines, "-o", tmp_path / "c")
    assert (refused.code, len(refused.complaints)) == (1, 1)
    assert "has no text for any face" in refused.err


def test_the_seed_draws(place: Path, tmp_path: Path) -> None:
    drawn = []
    for number, seed in enumerate((0, 0, 1)):
        run = tmp_path / str(number)
        as_json("cot", "offline", place / "texts.jsonl", "--limit", "5", "--seed", str(seed), "-o", run)
        drawn.append([answer.id for answer in EvalRun(run).answers()])
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 5


def test_the_ladder(place: Path, tmp_path: Path) -> None:
    with served(fair) as server:
        done = call("eval", "ladder", place / "texts.jsonl", "-o", tmp_path / "run", *judged_by(server.url))
    assert done.code == 0, done.err
    assert len(server.seen) == 12 * 5 * 2
    for words in ("ladder of 12 faces", "the audit can be trusted on these texts", "another face's text",
                  "chat:m can be trusted on these texts"):  # fmt: skip
        assert words in done.out, words
    again = call("eval", "rescore", tmp_path / "run")
    assert (again.code, again.out) == (0, done.out)
    found = as_json("ladder", place / "texts.jsonl", "-o", tmp_path / "run", "--judge", "scripted")
    assert [judge["ladder"]["trusted"] for judge in found["judges"]] == [True, True]
    assert found["audit"]["trusted"]


def test_a_bad_judge_falls_off_the_ladder(place: Path, tmp_path: Path) -> None:
    def generous(payload: dict[str, Any]) -> str:
        return "VERDICT: key observations 5, interpretation 5, conclusion 5"

    with served(generous) as server:
        found = as_json("ladder", place / "texts.jsonl", "-o", tmp_path / "run", *judged_by(server.url))
    (judge,) = found["judges"]
    assert not judge["ladder"]["trusted"]
    assert [step["holds"] for step in judge["ladder"]["steps"]] == [False, False, True, True]


def test_the_ladder_measures_faces_that_have_no_text(place: Path, tmp_path: Path) -> None:
    """What cannot be measured is counted."""
    shutil.copytree(place / "faces", tmp_path / "faces")
    shutil.copy(ASTRONAUT, tmp_path / "faces" / "fear" / "4.jpg")
    done = call("eval", "ladder", tmp_path / "faces", "-o", tmp_path / "run", "-q")
    assert done.code == 0, done.err
    out = " ".join(done.out.split())
    assert "ladder of 2 faces" in out
    assert "left out, as they could not be measured and have no text: 3 faces" in out


def test_one_measured_face_is_no_ladder(place: Path, tmp_path: Path) -> None:
    done = call("eval", "ladder", place / "faces", "-o", tmp_path / "run", "-q")
    assert (done.code, len(done.complaints)) == (2, 1)
    assert "two labels or more" in done.err


def test_faults_are_one_line(place: Path, tmp_path: Path) -> None:
    texts, model = place / "texts.jsonl", place / "model"
    (tmp_path / "bad.toml").write_text("template = 1")
    faults: list[tuple[int, tuple[str | Path, ...]]] = [
        (2, ("cot", "offline", texts, "--judge", "someone")),
        (2, ("cot", "offline", texts, "--judge", "chat:")),
        (2, ("cot", "offline", texts, "--judge", "scripted", "--base-url", "http://x/v1")),
        (2, ("cot", "offline", texts, "--judge", "chat:m", "--repeats", "2")),
        (2, ("cot", "offline", texts, "--judge", "chat:m", "--budget", "0")),
        (2, ("cot", "offline", texts, *judged_by("http://x/v1", "--budget", "1"))),
        (2, ("cot", "offline", texts, *judged_by("http://x/v1", "--judge-file", str(tmp_path / "bad.toml")))),
        (1, ("cot", "offline", texts, *judged_by("http://127.0.0.1:9/v1"))),
        (1, ("cot", "offline", texts, "--judge", "chat:m", "--key-env", "EXPLLM_NO_KEY")),
        (2, ("cot", "offline", texts, "--order", "backwards")),
        (2, ("cot", model, place / "faces", "--max-new-tokens", "999999")),
        (2, ("cot", tmp_path, texts)),
        (1, ("cot", "offline", texts, "--reference", tmp_path / "nothing.jsonl")),
        (2, ("ladder", texts, "--judge", "none")),
        (1, ("ladder", tmp_path / "nothing")),
    ]
    for number, (code, arguments) in enumerate(faults):
        done = call("eval", *arguments, "-o", tmp_path / f"run{number}", "-q")
        assert (done.code, len(done.complaints)) == (code, 1), (arguments, done.err)


def test_a_ladder_of_another_version(place: Path, tmp_path: Path) -> None:
    as_json("ladder", place / "texts.jsonl", "-o", tmp_path / "run")
    values = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**values, "ladder_format": 8}))
    done = call("eval", "rescore", tmp_path / "run")
    assert (done.code, len(done.complaints)) == (1, 1)
    assert "a ladder of format 8, this is format 1" in done.err
