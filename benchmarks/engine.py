"""The engine beside a bare aiohttp pool and a plain AsyncOpenAI loop, on the same server, in one run.

    python benchmarks/engine.py [--samples 600] [--in-flight 64] [--latency-ms 50] [--rounds 5]

Each side makes the same number of calls with the same number under way. The server is another process. A
side's figure is its best round; sides take turns, so that other work on the machine meets all of them. CPU is
that of this process. The engine's calls are journaled durably, each before the next step of its sample.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.chat import OpenAIChat, ScriptedChat
from expllm.chat.protocol import as_payload
from expllm.core.vocabulary import AUVector, Expression, label_set
from expllm.cot.case import Rules
from expllm.cot.engine import Engine
from expllm.cot.journal import Journal
from expllm.cot.prompt_set import Prompts
from expllm.cot.sample_session import RunBudget
from expllm.cot.writers import LLMWriter
from expllm.data import Sample

TESTS: Final = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS / "cot"))
from honest import of_payload  # noqa: E402 - the server's own answers

KEY_ENV: Final = "EXPLLM_BENCH_KEY"
SMILE: Final = AUVector.from_positive({"left lip corner pull": 0.7, "right lip corner pull": 0.7})
CALLS_A_SAMPLE: Final = 4


@dataclass(frozen=True)
class Figure:
    """One side's round: calls, wall seconds, CPU seconds of this process."""

    calls: int
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.calls / self.wall

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu / self.calls


@contextmanager
def server(latency_ms: float, sigma: float) -> Iterator[str]:
    """The test server in a process of its own; gives its base URL."""
    command = [
        sys.executable,
        str(TESTS / "chatserver.py"),
        "--latency-ms",
        str(latency_ms),
        "--sigma",
        str(sigma),
    ]
    command += ["--answer-from", "honest:of_payload"]
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS / 'cot'}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def measured(work: Callable[[], Awaitable[int]]) -> Figure:
    wall, cpu = time.perf_counter(), _cpu()
    calls = asyncio.run(_awaited(work))
    return Figure(calls, time.perf_counter() - wall, _cpu() - cpu)


async def _awaited(work: Callable[[], Awaitable[int]]) -> int:
    return await work()


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def samples(count: int) -> list[Sample]:
    return [
        Sample(id=f"s{i}", expression=Expression.HAPPINESS, aus=SMILE, au_source="bench")
        for i in range(count)
    ]


def engine_side(url: str, count: int, in_flight: int) -> Callable[[], Awaitable[int]]:
    """The whole engine, verification by the model, with its journal."""

    async def work() -> int:
        with tempfile.TemporaryDirectory() as folder, closing(Journal(Path(folder) / "j.sqlite")) as journal:
            chat = OpenAIChat("bench", base_url=url, api_key_env=KEY_ENV, concurrency=in_flight)
            engine = Engine(
                writer=LLMWriter(chat, Prompts.load()), labels=label_set(7), rules=Rules(verify="llm"),
                gate=RunBudget(in_flight),
            )  # fmt: skip
            await engine.run(samples(count), journal)
            await chat.close()
            return engine.gate.calls

    return work


def payloads(count: int) -> list[dict[str, object]]:
    """The very requests of `count` samples, as the engine makes them."""
    chat = ScriptedChat(lambda messages: of_payload({"messages": as_payload(messages)}))
    engine = Engine(LLMWriter(chat, Prompts.load()), label_set(7), Rules(verify="llm"))
    with tempfile.TemporaryDirectory() as folder, closing(Journal(Path(folder) / "j.sqlite")) as journal:
        asyncio.run(engine.run(samples(1), journal))
    bodies: list[dict[str, object]] = [
        {"model": "bench", "messages": as_payload(messages)} for messages in chat.asked
    ]
    assert len(bodies) == CALLS_A_SAMPLE
    return bodies * count


async def _pool(
    bodies: list[dict[str, object]], in_flight: int, ask: Callable[[dict[str, object]], Awaitable[object]]
) -> int:
    waiting = iter(bodies)

    async def take() -> None:
        for body in waiting:
            await ask(body)

    await asyncio.gather(*(take() for _ in range(in_flight)))
    return len(bodies)


def aiohttp_side(url: str, count: int, in_flight: int) -> Callable[[], Awaitable[int]]:
    """Requests and nothing else: no retries, no checks, no journal."""

    bodies = payloads(count)

    async def work() -> int:
        import aiohttp

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def ask(body: dict[str, object]) -> object:
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    return json.loads(await response.read())["choices"][0]["message"]["content"]

            return await _pool(bodies, in_flight, ask)

    return work


def openai_side(url: str, count: int, in_flight: int) -> Callable[[], Awaitable[int]]:
    """The loop that most people write: AsyncOpenAI as it comes."""

    bodies = payloads(count)

    async def work() -> int:
        from openai import AsyncOpenAI

        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

            async def ask(body: dict[str, object]) -> object:
                return await client.chat.completions.create(**body)  # type: ignore[call-overload]

            return await _pool(bodies, in_flight, ask)

    return work


def compare(url: str, options: argparse.Namespace) -> None:
    sides = {"bare aiohttp pool": aiohttp_side, "expllm engine": engine_side, "AsyncOpenAI loop": openai_side}
    best: dict[str, Figure] = {}
    for _ in range(options.rounds):
        for name, side in sides.items():
            figure = measured(side(url, options.samples, options.in_flight))
            best[name] = max(best.get(name, figure), figure, key=lambda one: one.rate)
    bare = best["bare aiohttp pool"].rate
    for name, figure in best.items():
        share, cost = figure.rate / bare, figure.cpu_ms
        print(f"{name:>20}: {figure.rate:8.0f} calls/s  {share:5.2f}  {cost:6.2f} ms CPU a call")


def scaling(url: str, options: argparse.Namespace) -> None:
    """CPU a call with 16 and with 256 under way."""
    costs = {}
    for in_flight in (16, 256):
        rounds = [measured(engine_side(url, options.samples, in_flight)) for _ in range(options.rounds)]
        costs[in_flight] = min(figure.cpu_ms for figure in rounds)
        print(f"{in_flight:>4} in flight: {costs[in_flight]:.2f} ms CPU a call")
    print(f"256 costs {costs[256] / costs[16]:.2f} times 16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ.setdefault(KEY_ENV, "none")
    calls = options.samples * CALLS_A_SAMPLE
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {calls} calls a round")
    for name, sigma in (("constant latency", 0.0), ("log-normal latency", 0.5)):
        print(f"\n{name}, median {options.latency_ms:g} ms, {options.in_flight} in flight")
        with server(options.latency_ms, sigma) as url:
            compare(url, options)
    print("\nengine, constant latency")
    with server(options.latency_ms, 0.0) as url:
        scaling(url, options)


if __name__ == "__main__":
    main()
