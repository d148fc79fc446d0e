"""The Dockerfile's steps, read from the Dockerfile itself: known to the script, and taken in a clean root.

compose.yaml is what Compose takes, and agrees with the Dockerfile and the server.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from expllm.server.server_config import ServerConfig

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


class Service(BaseModel):
    """What of Compose's specification is used here; a key that is not in it is a mistake in writing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    build: str
    environment: dict[str, str]
    ports: list[Annotated[str, Field(pattern=r"^127\.0\.0\.1:\d+:\d+$")]]
    read_only: bool
    tmpfs: list[str]
    cap_drop: list[str]
    security_opt: list[Literal["no-new-privileges:true"]]
    stop_signal: Literal["SIGTERM"]
    stop_grace_period: Annotated[str, Field(pattern=r"^\d+s$")]
    restart: Literal["no", "always", "on-failure", "unless-stopped"]


class Compose(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    services: dict[str, Service]


def composed() -> Service:
    (service,) = Compose.model_validate(_compose()).services.values()
    return service


def _compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_compose_is_written_as_its_specification_says() -> None:
    assert composed().build == "."
    broken = _compose()
    broken["services"]["expllm"]["stop_grace"] = "30s"
    with pytest.raises(ValueError, match="stop_grace"):
        Compose.model_validate(broken)


@pytest.mark.parametrize("tool", [("docker", "compose"), ("docker-compose",)])
def test_compose_itself_takes_it(tool: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    if (
        not shutil.which(tool[0])
        or subprocess.run([*tool, "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"no {' '.join(tool)}")
    ask = [*tool, "--file", str(ROOT / "compose.yaml"), "config", "--quiet"]
    monkeypatch.delenv("EXPLLM_KEY", raising=False)
    refused = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "set EXPLLM_KEY" in refused.stderr
    monkeypatch.setenv("EXPLLM_KEY", "sk-x")
    taken = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert taken.returncode == 0, taken.stderr


def test_compose_agrees_with_the_dockerfile_and_the_server() -> None:
    service, config = composed(), ServerConfig()
    steps = steps_of((ROOT / "Dockerfile").read_text())
    late = {step.word: words_of(step) for step in steps if step.word in LATE}
    (published,) = service.ports
    inside = published.rsplit(":", 1)[1]
    assert {inside} == set(late["EXPOSE"]) == {str(config.port)}
    assert f":{inside}/health/ready" in late["HEALTHCHECK"][-1]
    entry = late["ENTRYPOINT"]
    assert entry[entry.index("--key-env") + 1] in service.environment
    assert entry[entry.index("--host") + 1] == "0.0.0.0"
    grace = int(service.stop_grace_period.removesuffix("s"))
    assert config.limits.drain_s + config.limits.close_s < grace, "it would be killed while it ends"
    assert service.read_only
    assert service.tmpfs == ["/tmp"], "MediaPipe wants a folder for temporary files"
    assert [step.rest for step in steps if step.word == "USER"][-1] not in ("root", "0")


def test_nothing_that_is_copied_is_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*", "all but what is named stays out of the image: no data, no keys"
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    copied = [
        name
        for step in steps_of((ROOT / "Dockerfile").read_text())
        if step.word == "COPY"
        for name in shlex.split(step.rest)[:-1]
    ]
    assert sorted(copied) == sorted(kept)
    dropped = [line for line in lines[1:] if not line.startswith("!")]
    assert [
        name for name in copied if any(fnmatch(name, re.sub(r"^\*\*/", "", one)) for one in dropped)
    ] == []


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
