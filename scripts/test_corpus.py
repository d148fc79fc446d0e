"""Open every test picture of Pillow: about a thousand odd, damaged and hostile files that others collected.

    python scripts/test_corpus.py [--what open|analyze] [--folder DIR] [--jobs 2]

Takes Pillow's source archive from PyPI (47 MB, kept in the cache folder, checked by its SHA-256) and puts
every file of Tests/images through `expllm.files.images.open_image`, or through `expllm.analyze`, in workers.
Fails if a file raises anything but this package's own error, kills its worker, or needs more than 5 s or
500 MB.
"""

import argparse
import hashlib
import json
import os
import queue
import re
import select
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

INDEX = "https://pypi.org/simple/pillow/"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "expllm" / "test-corpus"
MAX_SECONDS, MAX_MEGABYTES, KILL_AFTER = 5.0, 500.0, 60.0


@dataclass(frozen=True)
class Outcome:
    """What became of one file: `verdict` is ok, error (ours) or bug; `megabytes` is the worker's growth."""

    path: str
    verdict: str
    text: str
    seconds: float
    megabytes: float

    @property
    def kind(self) -> str:
        """The message without the names and numbers that differ between files."""
        text = self.text.removeprefix(f"{self.path}: ")
        return re.split(r"[:;]|(?<=file) \(", text)[0][:70]

    @property
    def failed(self) -> bool:
        """Whether this file breaks a promise."""
        return self.verdict == "bug" or self.seconds > MAX_SECONDS or self.megabytes > MAX_MEGABYTES


def main() -> int:
    """Run everything and print the table; 0 if every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--what", choices=("open", "analyze"), default="open", help="the function under test")
    parser.add_argument("--folder", type=Path, help="files to use instead of Pillow's")
    parser.add_argument("--jobs", type=int, default=2, help="workers at a time")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(options.what)
    folder = options.folder or pillow_images(version("pillow"))
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    if not files:
        sys.exit(f"no files under {folder}")
    start = time.monotonic()
    outcomes = run_all(files, options.what, options.jobs)
    print(f"{options.what}: {len(outcomes)} files of {folder} in {time.monotonic() - start:.0f} s")
    report(outcomes, folder)
    return int(any(outcome.failed for outcome in outcomes))


def pillow_images(release: str) -> Path:
    """Tests/images of Pillow `release`, downloaded once."""
    target = CACHE / f"pillow-{release}" / "Tests" / "images"
    if target.is_dir():
        return target
    # Not `pip download`: it builds the package's metadata, for which Pillow wants libjpeg's headers.
    request = urllib.request.Request(INDEX, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = {file["filename"]: file for file in json.load(answer)["files"]}
    archive = files[f"pillow-{release}.tar.gz"]
    CACHE.mkdir(parents=True, exist_ok=True)
    packed = CACHE / archive["filename"]
    with urllib.request.urlopen(archive["url"], timeout=300) as answer:
        packed.write_bytes(answer.read())
    if hashlib.sha256(packed.read_bytes()).hexdigest() != archive["hashes"]["sha256"]:
        packed.unlink()
        sys.exit(f"{packed.name}: the download is not the file that PyPI lists; try again")
    with tarfile.open(packed) as tar:
        wanted = [member for member in tar if "/Tests/images/" in member.name]
        tar.extractall(CACHE, wanted, filter="data")
    packed.unlink()
    return target


def run_all(files: list[str], what: str, jobs: int) -> list[Outcome]:
    """Every file through one of `jobs` workers; a worker that dies costs its file, not the run."""
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    for file in files:
        todo.put(file)
    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=_drive, args=(todo, outcomes, what)) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes, key=lambda outcome: outcome.path)


def _drive(todo: queue.SimpleQueue[str], outcomes: list[Outcome], what: str) -> None:
    worker: subprocess.Popen[str] | None = None
    while True:
        try:
            path = todo.get_nowait()
        except queue.Empty:
            break
        if worker is None:
            command = [sys.executable, __file__, "--worker", "--what", what]
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps(path) + "\n")
        worker.stdin.flush()
        answered, _, _ = select.select([worker.stdout], [], [], KILL_AFTER)
        line = worker.stdout.readline() if answered else ""
        if line:
            outcomes.append(Outcome(**json.loads(line)))
            continue
        worker.kill()
        end = f"worker ended with {worker.wait()}" if answered else f"no end within {KILL_AFTER:g} s"
        outcomes.append(Outcome(path, "bug", end, KILL_AFTER, 0.0))
        worker = None
    if worker is not None:
        worker.communicate()


def work(what: str) -> int:
    """A worker: a path a line in, an outcome a line out."""
    results, sys.stdout = sys.stdout, sys.stderr  # the function under test may print
    from expllm.core.errors import ExpllmError, ImageError

    expected: type[ExpllmError] = ImageError if what == "open" else ExpllmError
    function = (
        import_module("expllm.files.images").open_image if what == "open" else import_module("expllm").analyze
    )
    import_module("PIL.Image").init()  # so that the first file does not pay for the imports
    for line in sys.stdin:
        path = json.loads(line)
        before, start = _memory("VmRSS", reset=True), time.perf_counter()
        try:
            function(path)
            verdict, text = "ok", ""
        except expected as error:
            verdict, text = "error", str(error)
        except BaseException as error:
            verdict, text = "bug", f"{type(error).__name__}: {error}"
        seconds, grown = time.perf_counter() - start, _memory("VmHWM") - before
        results.write(json.dumps(asdict(Outcome(path, verdict, text, seconds, grown))) + "\n")
        results.flush()
    return 0


def _memory(key: str, *, reset: bool = False) -> float:
    """A line of /proc/self/status in MB; `reset` makes the high-water mark start again from here."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(re.findall(rf"{key}:\s+(\d+) kB", status)[0]) / 1024


def report(outcomes: list[Outcome], folder: Path) -> None:
    """The summary: verdicts, kinds of error, slowest, biggest, failures."""
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    print("  ".join(f"{name} {verdicts[name]}" for name in ("ok", "error", "bug")))
    print("\nerrors by kind")
    kinds = Counter(outcome.kind for outcome in outcomes if outcome.verdict == "error")
    for kind, count in kinds.most_common():
        print(f"  {count:5}  {kind}")
    for title, key in (("slowest", "seconds"), ("biggest", "megabytes")):
        print(f"\n{title}")
        for outcome in sorted(outcomes, key=lambda each: -getattr(each, key))[:5]:
            name = Path(outcome.path).relative_to(folder)
            print(f"  {outcome.seconds:7.3f} s  {outcome.megabytes:7.1f} MB  {outcome.verdict:5}  {name}")
    failures = [outcome for outcome in outcomes if outcome.failed]
    print(f"\nbroken promises: {len(failures) or 'none'}")
    for outcome in failures:
        print(f"  {outcome.path}: {outcome.text} ({outcome.seconds:.1f} s, {outcome.megabytes:.0f} MB)")


if __name__ == "__main__":
    sys.exit(main())
