"""The Dockerfile's steps, read from the Dockerfile itself: known to the script, and taken in a clean root."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "scripts"))

from try_container import LATE, steps_of, words_of  # noqa: E402

KNOWN = {"FROM", "ARG", "ENV", "WORKDIR", "USER", "COPY", "RUN", *LATE}
WANTED = "EXPLLM_CONTAINER"


def test_every_step_is_known_to_the_script() -> None:
    steps = steps_of((ROOT / "Dockerfile").read_text())
    assert {step.word for step in steps} <= KNOWN
    commands = {step.word: words_of(step) for step in steps if step.word in LATE}
    assert commands["ENTRYPOINT"][:2] == ["expllm", "serve"]
    assert commands["HEALTHCHECK"][0] == "python"
    users = [step.word for step in steps]
    assert users.index("USER") < users.index("ENTRYPOINT")
    copied = [name for step in steps if step.word == "COPY" for name in shlex.split(step.rest)[:-1]]
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.slow
def test_the_steps_give_a_server_in_a_clean_root(tmp_path: Path) -> None:
    if WANTED not in os.environ:
        pytest.skip(f"downloads 2 GB: set {WANTED} to options of scripts/try_container.py, or to nothing")
    if os.geteuid() or not shutil.which("mmdebstrap"):
        pytest.skip("needs root and mmdebstrap")
    options = shlex.split(os.environ[WANTED])
    script = str(ROOT / "scripts" / "try_container.py")
    done = subprocess.run(
        [sys.executable, script, str(tmp_path / "root"), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "SIGTERM: exit code 0" in done.stdout
