"""What README and docs show: command lines and Python; and why some of it cannot run in a test."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HISTORY: Final = ("docs/experiments.md", "CHANGELOG.md")
"""Pages that tell what was done once: their commands need not run any more."""
PAGES: Final = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
FENCED: Final = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE)
INLINE: Final = re.compile(r"`(expllm(?: [^`]+)?)`")
END_OF_COMMAND: Final = ("|", "||", "&&", ";", ">", "2>", ">>", "<", "&")

CANNOT_RUN: Final[Mapping[str, str]] = {
    r"^train (?!.*--dry-run)|^eval ablate (?!.*--dry-run)": "trains a model: minutes to days",
    r"^model push (?!.*--dry-run)": "uploads a model",
    r"^model import": "needs the authors' checkpoint, 14 GB",
    r"https?://(?!localhost|127\.)": "opens an address of the internet",
    r"chat:|--base-url|^cot make .*--model": "asks a language model at an endpoint",
    r"endpoint:": "asks a server that runs the model; tests/cli/test_served_models.py has one",
    r"--detector \S+\.onnx": "needs a face detector whose weights may not be passed on",
    r"\b(ferplus|rafdb|portraits)(:\w+| data/)|data/(RAF-DB|ferplus)": "needs data that may not be passed on",
    r"recipes/grpo\.yaml": "needs data that may not be passed on; tests/train/test_grpo.py draws some",
    r"exp_cot_reference": "needs the published texts, which may not be passed on",
    r"^(model calibrate|eval accuracy compact) ": "needs 50 labelled faces, or the shipped model, or both",
    r"compact_ablation": "needs a folder of `eval ablate`",
    r"^serve( |$)": "serves until it is ended; tests/server does that",
    r"^video ": "needs a video; tests/cli/test_video.py makes some",
    r"runs/own/|runs/ablation|\bcheck own\.csv": "needs what the commands above it made",
}
"""Commands that cannot run in a test -> why, for the whole kind. All others run."""

PYTHON_CANNOT_RUN: Final[Mapping[str, str]] = {
    "data/ferplus": "needs a data set that may not be passed on",
    "LLaVA-CC3M": "needs captions with their pictures, 6 GB",
    "near=sample.box": "goes on with a sample of the data set above it",
    "interview.mp4": "needs a video; tests/video/test_products.py makes some",
    "127.0.0.1:8000/v1": "needs a server; tests/server/test_openai.py gives it one",
    "GRPOTrainer": "trains a model; tests/model/test_trl_rewards.py takes two steps",
}
"""Words of Python examples that cannot run in a test -> why."""


@dataclass(frozen=True)
class Shown:
    """A call of `expllm` on a page.

    Attributes:
        words: Behind the program's name.
        whole: It is a command line to be typed; else a mention in a sentence, which may lack arguments.
    """

    page: str
    words: tuple[str, ...]
    whole: bool

    @property
    def line(self) -> str:
        return " ".join(self.words)

    @property
    def obstacle(self) -> str | None:
        """Why it cannot run in a test; None if it can."""
        found = (why for pattern, why in CANNOT_RUN.items() if re.search(pattern, self.line))
        return next(found, None)


def named(path: Path) -> str:
    """A page's path from the root."""
    return path.relative_to(ROOT).as_posix()


def shown_commands() -> Iterator[Shown]:
    """Every call of `expllm` on every page, in order: of shell blocks, and of sentences."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in FENCED.finditer(text):
            if block["language"] in ("sh", "bash", "console"):
                for line in block["code"].replace("\\\n", " ").splitlines():
                    yield from (Shown(named(page), tuple(words), True) for words in calls(line))
        for mention in INLINE.findall(FENCED.sub("", text)):
            for words in alternatives(mention.split()[1:]):
                yield Shown(named(page), words, False)


def calls(line: str) -> Iterator[list[str]]:
    """The calls of `expllm` in a line: `cat a | expllm analyze - > b` has one."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in END_OF_COMMAND:
            words.append(word)
            continue
        while words and (words[0] in ("$", "!") or re.fullmatch(r"[A-Z_]+=\S*", words[0])):
            words.pop(0)
        if "-m" in words and "expllm" in words:  # python -m expllm, accelerate launch -m expllm
            words = words[words.index("-m") + 1 :]
        if words and Path(words[0]).name == "expllm":
            yield words[1:]
        words = []


def alternatives(words: list[str]) -> Iterator[tuple[str, ...]]:
    """`eval accuracy|transfer` stands for two commands; behind the command a bar is a choice of values."""
    yield from product(
        *(word.split("|") if re.fullmatch(r"[a-z]+(\|[a-z]+)+", word) else [word] for word in words)
    )


def python_blocks() -> Iterator[tuple[str, list[str]]]:
    """Each page with its Python examples, in order."""
    for page in PAGES:
        found = FENCED.finditer(page.read_text(encoding="utf-8"))
        blocks = [block["code"] for block in found if block["language"] == "python"]
        if blocks:
            yield named(page), blocks
