"""What `expllm serve` costs and how it bears a flood, beside a bare `Predictor`.

    make bench-server [DATA=../shared/data]
    python benchmarks/server.py [--data FOLDER] [--quick] [--compact]

Each part talks to a process of its own over real sockets; a table with the bounds stands at the end, and a
missed bound exits 1:

a. Start to ready: 4 s with the rules, 8 s with `compact` (`--compact`), its modules compiled.
b. Processor time a picture, rules, one request after the other: at most 4 ms more than `Predictor.analyze`.
c. A flood of 64 clients for 60 s: only 200 and 503, Retry-After with each 503, and the 99th percentile of the
   200s within the time of a full queue and a fifth more. The same by `hey`, which never waits after a 503
   (`apt-get install hey`; without it that part is left out).
d. Memory over 5,000 pictures: at most 50 MB more than after the first 200.
e. Four kinds of slow clients: closed within 12 s.

Run it on an idle machine; of processor time the least of three rounds counts.
"""

import argparse
import asyncio
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import aiohttp
from timing import Line, load, portraits, side_by_side

from expllm.predict.predictor import Predictor

CLIENTS: Final = 64
PLACES: Final = 5
"""For each thread: one picture under way and four that wait (`ServerLimits.waiting_per_worker`)."""
WARM: Final = 200
"""Pictures before memory is looked at."""
TICKS: Final = os.sysconf("SC_CLK_TCK")
JPEG: Final = {"Content-Type": "image/jpeg"}
SLOW: Final = {
    "silent": b"",
    "stalled head": b"GET /v1/models HTTP/1.1\r\nHost: loc",
    "dripping head": b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX: ",
    "stalled body": b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nx",
}


@dataclass
class Served:
    """A server in a process of its own.

    Attributes:
        start_s: Seconds from its start until it was ready.
    """

    process: subprocess.Popen[str]
    port: int
    start_s: float = 0.0

    def analyze(self, data: bytes) -> int:
        """One picture on a connection of its own; the status."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/v1/analyze", data, JPEG)
            reply = connection.getresponse()
            reply.read()
            return reply.status
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    @property
    def cpu_s(self) -> float:
        """Processor seconds so far, of all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def rss_mb(self) -> float:
        """Memory now, MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024

    def metric(self, name: str) -> float:
        """A figure of /metrics without labels."""
        return float(re.findall(rf"^{name} (\S+)$", self.get("/metrics")[1], re.M)[0])


@contextmanager
def compiled() -> Iterator[None]:
    """Within it servers find compiled modules from their second start on, whatever Python keeps here."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        yield
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def served(model: str = "offline", workers: int = 1) -> Iterator[Served]:
    """A server that is ready."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "expllm", "serve", "--port", "0"]
    command += ["--model", model, "--workers", str(workers)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r":(\d+) \(", line)
        if found is None:
            raise SystemExit(line)
        server = Served(process, int(found[1]))
        while server.get("/health/ready")[0] != 200:
            time.sleep(0.02)
        server.start_s = time.perf_counter() - began
        yield server
    finally:
        process.terminate()
        process.wait()


def starts(name: str, model: str, at_most: float) -> Iterator[Line]:
    """From the command to the first 200 of `/health/ready`."""
    for _ in range(2):  # the first one compiles
        with served(model) as server:
            start_s, cpu_s = server.start_s, server.cpu_s
    yield Line(f"{name}, start to ready, s", start_s, at_most=at_most)
    yield Line("... of processor time", cpu_s)


def cost(server: Served, pictures: list[bytes]) -> Iterator[Line]:
    """Processor time a picture, over HTTP and bare."""
    costs = []
    with Predictor() as predictor:

        def bare() -> None:
            for data in pictures:
                predictor.analyze(data)

        def over_http() -> None:
            before = server.cpu_s
            for data in pictures:
                assert server.analyze(data) == 200
            costs.append((server.cpu_s - before) / len(pictures))

        clocks = side_by_side(3, bare=bare, http=over_http)
    alone, served_s = clocks["bare"].best_cpu / len(pictures), min(costs)
    yield Line("bare Predictor, ms of processor time a picture", 1000 * alone)
    yield Line("over HTTP, ms more", 1000 * (served_s - alone), at_most=4.0)


@dataclass
class Flood:
    """What many clients at once were answered."""

    codes: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    without_retry_after: int = 0

    async def run(self, port: int, picture: bytes, duration: float) -> None:
        """All clients, each with one request after the other."""
        until = time.perf_counter() + duration
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector) as http:
            await asyncio.gather(*(self._client(http, picture, until) for _ in range(CLIENTS)))

    async def _client(self, http: aiohttp.ClientSession, picture: bytes, until: float) -> None:
        while time.perf_counter() < until:
            began = time.perf_counter()
            try:
                async with http.post("/v1/analyze", data=picture, headers=JPEG) as reply:
                    await reply.read()
                    code, told = reply.status, "Retry-After" in reply.headers
            except aiohttp.ClientError:
                code, told = 0, False
            self.codes[code] += 1
            if code == 200:
                self.seconds.append(time.perf_counter() - began)
            elif code == 503:
                self.without_retry_after += not told
                await asyncio.sleep(0.05)


def flood(server: Served, picture: bytes, duration: float) -> Iterator[Line]:
    """Only 200 and 503, and nobody waits longer than a full queue takes."""
    count, worked = server.metric("expllm_work_seconds_count"), server.metric("expllm_work_seconds_sum")
    seen = Flood()
    asyncio.run(seen.run(server.port, picture, duration))
    mean = (server.metric("expllm_work_seconds_sum") - worked) / (
        server.metric("expllm_work_seconds_count") - count
    )
    middle, p99 = statistics.median(seen.seconds), statistics.quantiles(seen.seconds, n=100)[98]
    yield Line(f"flood of {CLIENTS} clients, {duration:g} s: answered 200", seen.codes[200])
    yield Line("... refused with 503", seen.codes[503])
    yield Line("... anything else", seen.codes.total() - seen.codes[200] - seen.codes[503], at_most=0)
    yield Line("... 503 without Retry-After", seen.without_retry_after, at_most=0)
    yield Line("... median of the 200s, over the time of a full queue", middle / (PLACES * mean))
    yield Line("... p99 of the 200s, over the time of a full queue", p99 / (PLACES * mean), at_most=1.2)


def flood_by_hey(server: Served, picture: bytes, duration: float) -> Iterator[Line]:
    """The same by another's client: it sends its next request at once, whatever it was answered."""
    if not shutil.which("hey"):
        print("hey is not installed: that flood is left out")
        return
    with tempfile.NamedTemporaryFile() as body:
        Path(body.name).write_bytes(picture)
        command = ["hey", "-z", f"{duration:g}s", "-c", str(CLIENTS), "-t", "60", "-m", "POST"]
        command += ["-T", JPEG["Content-Type"], "-D", body.name, f"http://127.0.0.1:{server.port}/v1/analyze"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    codes = {int(code): int(count) for code, count in re.findall(r"\[(\d+)\]\s+(\d+) responses", said)}
    failed = [int(count) for count in re.findall(r"^  \[(\d+)\]\s+(?!\d+ responses)", said, re.M)]
    yield Line("flood by hey: answered 200", codes.get(200, 0), at_least=1)
    yield Line("... refused with 503", codes.get(503, 0))
    yield Line("... anything else", sum(codes.values()) - codes.get(200, 0) - codes.get(503, 0), at_most=0)
    yield Line("... connections that failed", sum(failed), at_most=0)


def memory(server: Served, pictures: list[bytes], count: int) -> Iterator[Line]:
    """Memory does not grow with the number of pictures."""
    before = 0.0
    for number in range(count):
        if number == min(WARM, count // 2):
            before = server.rss_mb
        assert server.analyze(pictures[number % len(pictures)]) == 200
    yield Line(f"memory after {count:,} pictures, MB more", server.rss_mb - before, at_most=50)


def slow_clients(server: Served, picture: bytes) -> Iterator[Line]:
    """Each kind is closed, and a picture is answered meanwhile."""
    seconds: dict[str, float] = {}

    def run(kind: str) -> None:
        began = time.perf_counter()
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(SLOW[kind])
            connection.settimeout(0.5 if kind.startswith("dripping") else 60)
            with suppress(ConnectionError):
                while True:
                    try:
                        if not connection.recv(4096):
                            break
                    except TimeoutError:
                        connection.sendall(b"x")
        seconds[kind] = time.perf_counter() - began

    threads = [threading.Thread(target=run, args=(kind,)) for kind in SLOW]
    for thread in threads:
        thread.start()
    assert server.analyze(picture) == 200
    for thread in threads:
        thread.join()
    for kind, taken in seconds.items():
        yield Line(f"slow client, {kind}: closed after seconds", taken, at_most=12)


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--data", type=Path, help="folder with the portraits; else the bundled face alone")
    parser.add_argument("--quick", action="store_true", help="small counts: whether it runs")
    parser.add_argument("--compact", action="store_true", help="also start with the model that ships")
    options = parser.parse_args()
    count, duration, many = (20, 5.0, 100) if options.quick else (200, 60.0, 5000)
    pictures = portraits(options.data, count)
    print(load())
    with compiled():
        lines = list(starts("rules", "offline", 4))
        lines += starts("compact", "compact", 8) if options.compact else ()
    with served() as server:
        lines += cost(server, pictures)
        lines += slow_clients(server, pictures[0])
        lines += memory(server, pictures, many)
        lines += flood(server, pictures[0], duration)
        lines += flood_by_hey(server, pictures[0], duration)
    print(*lines, load(), sep="\n")
    return int(any(line.missed for line in lines))


if __name__ == "__main__":
    sys.exit(main())
