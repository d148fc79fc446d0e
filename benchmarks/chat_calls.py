"""What a call costs: `OpenAIChat` beside a bare aiohttp pool and the openai SDK, on one server.

The server is tests/chatserver.py in a process of its own. The sides take turns, round after round.

    python benchmarks/chat_calls.py [--calls 2000] [--in-flight 64] [--latency-ms 50] [--rounds 3]
"""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from timing import Clock, Line, load, side_by_side

from expllm.chat import Message, OpenAIChat, Prices

SERVER = Path(__file__).parent.parent / "tests" / "chatserver.py"
MESSAGES = (
    Message("system", "You describe faces by their movements, in calm and exact sentences. " * 8),
    Message("user", "left brow lower: 0.31, right brow lower: 0.28, left lip corner pull: 0.62. " * 12),
)
PLAIN = [{"role": message.role, "content": message.content} for message in MESSAGES]
ANSWER = "Both lip corners are strongly pulled up, and the brows are slightly lowered. " * 12
MODEL = "gpt-4o"

Ask = Callable[[], Awaitable[object]]


@contextmanager
def server(latency_ms: float) -> Iterator[str]:
    """The base URL of a server that answers after `latency_ms`."""
    command = [sys.executable, str(SERVER), "--latency-ms", str(latency_ms), "--answer", ANSWER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


async def pool(ask: Ask, calls: int, in_flight: int) -> None:
    """`calls` calls, `in_flight` of them at one time."""
    numbers = iter(range(calls))

    async def work() -> None:
        for _ in numbers:
            await ask()

    await asyncio.gather(*(work() for _ in range(in_flight)))


async def bare(url: str, calls: int, in_flight: int) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> object:
            async with session.post(
                f"{url}/chat/completions", json={"model": MODEL, "messages": PLAIN}
            ) as reply:
                return (await reply.json())["choices"][0]["message"]["content"]

        await pool(ask, calls, in_flight)


async def ours(url: str, calls: int, in_flight: int) -> None:
    async with OpenAIChat(MODEL, base_url=url, concurrency=in_flight, prices=Prices()) as chat:
        await pool(lambda: chat.ask(MESSAGES), calls, in_flight)


async def sdk(url: str, calls: int, in_flight: int, *, on_aiohttp: bool = False) -> None:
    import openai

    client = openai.DefaultAioHttpClient() if on_aiohttp else None
    async with openai.AsyncOpenAI(api_key="none", base_url=url, http_client=client, max_retries=0) as asked:
        create = asked.chat.completions.create
        await pool(lambda: create(model=MODEL, messages=PLAIN), calls, in_flight)  # type: ignore[arg-type]


def lines(clocks: dict[str, Clock], calls: dict[str, int]) -> Iterator[Line]:
    """The table: calls a second and processor time of each side, and how ours stands beside the bare pool."""
    for name, clock in clocks.items():
        yield Line(f"{name}: calls a second", calls[name] / clock.best_wall)
        bound = 0.5 if name == "OpenAIChat" else None
        yield Line(f"{name}: ms of processor time a call", clock.best_cpu / calls[name] * 1000, at_most=bound)
    ratio = clocks["bare aiohttp"].best_wall / clocks["OpenAIChat"].best_wall
    yield Line("OpenAIChat over bare aiohttp, calls a second", ratio, at_least=0.95)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=2000, help="a round; the SDK's columns take a quarter")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "none")
    few, many, wide = options.calls // 4, options.calls, options.in_flight
    with server(options.latency_ms) as url:
        sides: dict[str, tuple[int, Callable[[], object]]] = {
            "bare aiohttp": (many, lambda: asyncio.run(bare(url, many, wide))),
            "OpenAIChat": (many, lambda: asyncio.run(ours(url, many, wide))),
            "AsyncOpenAI": (few, lambda: asyncio.run(sdk(url, few, wide))),
            "AsyncOpenAI on aiohttp": (few, lambda: asyncio.run(sdk(url, few, wide, on_aiohttp=True))),
        }
        for _, side in sides.values():
            side()  # imports, and the first growth of memory
        clocks = side_by_side(options.rounds, **{name: side for name, (_, side) in sides.items()})
    print(f"{wide} in flight, {options.latency_ms:g} ms until a reply; {load()}")
    table = list(lines(clocks, {name: calls for name, (calls, _) in sides.items()}))
    print(*table, sep="\n")
    return int(any(line.missed for line in table))


if __name__ == "__main__":
    sys.exit(main())
