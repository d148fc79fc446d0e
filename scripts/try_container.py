"""Take the steps of the Dockerfile in a clean root, without Docker, and try the server that comes of them.

    sudo apt-get install mmdebstrap
    sudo python scripts/try_container.py ROOT            # ROOT: an empty folder, about 3 GB

The Dockerfile itself is read, so that there is one source of its steps. FROM becomes Debian with Python
(`mmdebstrap`), RUN a shell in that root (`chroot`), USER, WORKDIR, ARG, ENV and COPY what they are in Docker;
ENTRYPOINT and CMD are started under that user, in a network of their own and on a root that cannot be
written to, as compose.yaml asks. HEALTHCHECK must succeed, a picture must be explained, a wrong key refused,
and SIGTERM must end with 0. It differs from Docker in the base image: Debian's Python in place of
python:3.12-slim.

    --arg TORCH_INDEX=URL     as `docker build --build-arg`
    --env NAME=VALUE          for the steps alone, such as the address of a mirror
    --bind PATH               a file or folder of this machine that the steps may read
    --made                    the steps were taken before: only the server is tried
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[1]
DEBIAN: Final = "bookworm"
PACKAGES: Final = "python3,python3-pip,python-is-python3,ca-certificates"
STEPS_ONLY: Final = {"PIP_BREAK_SYSTEM_PACKAGES": "1", "UV_BREAK_SYSTEM_PACKAGES": "1"}
"""Debian's Python asks for these; the base image of the Dockerfile does not."""
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEY: Final = "sk-try"
READY_S: Final = 600.0
END_S: Final = 30.0
"""Seconds that compose.yaml gives it to end."""
LATE: Final = ("HEALTHCHECK", "ENTRYPOINT", "CMD", "EXPOSE")
ASK: Final = """
import json, sys, urllib.error, urllib.request as r
def ask(key):
    data = sys.stdin.buffer.read() if key else b"x"
    return r.urlopen(r.Request("http://127.0.0.1:8000/v1/analyze?explain=true", data,
        {"Content-Type": "image/jpeg", "Authorization": "Bearer " + key}))
try:
    ask("")
    sys.exit("it answers without a key")
except r.HTTPError as error:
    assert error.code == 401, error.code
face = json.load(ask(sys.argv[1]))["faces"][0]
print(face["expression"], face["provenance"])
"""


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile: its word, and what follows it on one line."""

    word: str
    rest: str


@dataclass
class Image:
    """A root while it is made, and what the Dockerfile says of it.

    Attributes:
        root: The folder.
        user, folder: In force for the next step.
        env: Variables that stay.
        args: Variables of the steps.
        late: Instructions that count when it runs.
    """

    root: Path
    user: str = "root"
    folder: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    args: dict[str, str] = field(default_factory=dict)
    late: dict[str, list[str]] = field(default_factory=dict)

    def command(self, words: Sequence[str]) -> list[str]:
        """What runs `words` in it, under its user and in its folder."""
        inside = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', self.folder, *words]
        return ["chroot", f"--userspec={self.user}", str(self.root), *inside]

    def variables(self, **more: str) -> dict[str, str]:
        home = "/root" if self.user == "root" else f"/home/{self.user}"
        return {"PATH": PATH, "HOME": home, "LANG": "C.UTF-8", **self.env, **more}


def steps_of(text: str) -> list[Step]:
    """The instructions of a Dockerfile.

    >>> steps_of("FROM a\\n# why\\nRUN b \\\\\\n && c\\n")
    [Step(word='FROM', rest='a'), Step(word='RUN', rest='b  && c')]
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    parts = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [Step(word.upper(), rest.strip()) for word, _, rest in parts]


def take(step: Step, image: Image, given: argparse.Namespace) -> None:
    """Does what one instruction says.

    Raises:
        SystemExit: it fails, or is not known here.
    """
    if given.made and step.word in ("FROM", "COPY", "RUN"):
        return
    if step.word == "FROM":
        make_root(image.root)
    elif step.word == "ARG":
        name, _, value = step.rest.partition("=")
        image.args[name] = dict(one.split("=", 1) for one in given.arg).get(name, value)
    elif step.word == "ENV":
        image.env |= dict(one.split("=", 1) for one in shlex.split(step.rest))
    elif step.word == "WORKDIR":
        image.folder = step.rest
        (image.root / step.rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif step.word == "USER":
        image.user = step.rest
    elif step.word == "COPY":
        copy(shlex.split(step.rest), image)
    elif step.word == "RUN":
        steps = STEPS_ONLY | dict(one.split("=", 1) for one in given.env)
        run(image.command(["/bin/sh", "-ec", step.rest]), image.variables(**image.args, **steps))
    elif step.word in LATE:
        image.late[step.word] = words_of(step)
    else:
        sys.exit(f"Dockerfile: {step.word} is not known here: teach scripts/try_container.py what it does")


def words_of(step: Step) -> list[str]:
    """The command of an instruction in its JSON form; options before it are Docker's."""
    found = re.search(r"\[.*\]", step.rest)
    return [step.rest] if found is None else list(json.loads(found[0]))


def make_root(root: Path) -> None:
    """Debian with Python, and this machine's resolver and certificates."""
    run(["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, str(root)], dict(os.environ))
    for name in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
        if Path("/", name).is_file():
            shutil.copyfile(Path("/", name), root / name)


def copy(words: Sequence[str], image: Image) -> None:
    """COPY: files into a folder, a folder's content into one."""
    *sources, target = words
    into = image.root / os.path.normpath(f"{image.folder}/{target}").lstrip("/")
    for source in sources:
        path = REPOSITORY / source
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, into, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy(path, into / path.name if into.is_dir() else into)


@contextmanager
def mounted(root: Path, paths: Sequence[str]) -> Iterator[None]:
    """/proc, /sys (MediaPipe aborts without), /dev, and files or folders of this machine, read only."""
    with ExitStack() as held:
        for path in ("/proc", "/sys", "/dev", *paths):
            inside = root / path.lstrip("/")
            if Path(path).is_dir():
                inside.mkdir(parents=True, exist_ok=True)
            else:
                inside.parent.mkdir(parents=True, exist_ok=True)
                inside.touch()
            run(["mount", "--rbind", path, str(inside)], dict(os.environ))
            run(["mount", "--make-rslave", str(inside)], dict(os.environ))
            held.callback(run, ["umount", "--recursive", "--lazy", str(inside)], dict(os.environ))
            if path in paths:
                run(["mount", "-o", "remount,bind,ro", str(inside)], dict(os.environ))
        yield


def try_server(image: Image) -> None:
    """Starts it as compose.yaml does, waits until it is healthy, asks, and ends it."""
    words = [*image.late["ENTRYPOINT"], *image.late["CMD"]]
    root = shlex.quote(str(image.root))
    # A network of its own, a root that cannot be written to, and a /tmp in memory.
    mounts = (
        f"mount --bind {root} {root}", f"mount -o remount,bind,ro {root}",
        f"mount -t proc proc {root}/proc", f"mount --rbind /sys {root}/sys",
        f"mount --rbind /dev {root}/dev", f"mount -t tmpfs tmpfs {root}/tmp",
    )  # fmt: skip
    prepare = " && ".join((*mounts, LOOPBACK, 'exec "$@"'))
    command = ["unshare", "--net", "--mount", "--propagation=private", "/bin/sh", "-ec", prepare, "sh"]
    server = subprocess.Popen([*command, *image.command(words)], env=image.variables(EXPLLM_KEY=KEY))
    inside = ["nsenter", f"--target={server.pid}", "--net", "--mount", *image.command([])]
    try:
        began = time.monotonic()
        while quietly([*inside, *image.late["HEALTHCHECK"]]):
            if server.poll() is not None or time.monotonic() - began > READY_S:
                sys.exit("HEALTHCHECK never succeeded")
            time.sleep(1.0)
        print(f"healthy after {time.monotonic() - began:.0f} s", flush=True)
        picture = (REPOSITORY / "examples" / "faces" / "astronaut.jpg").read_bytes()
        subprocess.run([*inside, "python", "-c", ASK, KEY], input=picture, check=True)
        server.send_signal(signal.SIGTERM)
        print(f"SIGTERM: exit code {(code := server.wait(END_S))}")
        if code:
            sys.exit("SIGTERM did not end it with 0")
    finally:
        server.kill()


LOOPBACK: Final = (
    "python3 -c 'import fcntl, socket, struct; s = socket.socket(); "
    'fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 1))\''
)
"""Brings the loopback device of a new network up."""


def quietly(command: Sequence[str]) -> int:
    """Exit code of a command that may fail."""
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode


def run(command: Sequence[str], env: dict[str, str]) -> None:
    """Runs a command; a failure ends the script."""
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"exit code {done.returncode}: {shlex.join(command)[:300]}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="an empty folder")
    parser.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--bind", action="append", default=[], metavar="PATH")
    parser.add_argument("--made", action="store_true", help="ROOT was made before: only try the server")
    args = parser.parse_args()
    if os.geteuid() or not shutil.which("mmdebstrap"):
        sys.exit("this needs root and mmdebstrap: sudo apt-get install mmdebstrap")
    first, *rest = steps_of((REPOSITORY / "Dockerfile").read_text(encoding="utf-8"))
    image = Image(args.root.resolve())
    take(first, image, args)
    with mounted(image.root, args.bind):
        for number, step in enumerate(rest, 2):
            print(f"{number}: {step.word} {step.rest[:100]}", flush=True)
            take(step, image, args)
    try_server(image)


if __name__ == "__main__":
    main()
