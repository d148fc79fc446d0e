"""Samples dealt out to the workers of a cluster: each reads its own file and none the data set.

The process that begins the run has looked through it anyway. It writes what every worker will read, so that a
worker, and every one that takes its place, begins at once and knows of its own samples alone.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expllm.core.errors import OutputError
from expllm.data import Sample
from expllm.files.atomic import whole_file, write_json
from expllm.files.runs import RunError


def shard_of(sample: str, count: int) -> int:
    """The worker, of `count`, that holds a sample: by its id alone, so the same in every session."""
    return zlib.crc32(sample.encode("utf-8", "surrogatepass")) % count


@dataclass(frozen=True)
class SampleShards:
    """The files of a run's samples, one a worker.

    Attributes:
        folder: The run's folder, which every worker sees.
        count: Workers.
    """

    folder: Path
    count: int

    def path(self, index: int) -> Path:
        """The file of a worker: a JSON array of place and sample a line."""
        return self.folder / "shards" / f"samples-{index:04d}.jsonl"

    @property
    def _mark(self) -> Path:
        """It is written last, and says what the files were dealt from."""
        return self.folder / "shards" / "dealt.json"

    def deal(self, samples: Iterable[tuple[int, Sample]], source: Mapping[str, Any]) -> bool:
        """Writes the files, unless they are there already; whether they were written.

        Args:
            samples: With their places, read only if need be.
            source: What the files depend on, as JSON values.

        Raises:
            OutputError: they cannot be written.
        """
        known = {**source, "count": self.count}
        if self._dealt() == known:
            return False
        try:
            self._mark.parent.mkdir(parents=True, exist_ok=True)
            self._mark.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{self._mark.parent}: cannot be written ({error.strerror})") from None
        with ExitStack() as stack:
            files = [stack.enter_context(whole_file(self.path(index))) for index in range(self.count)]
            for place, sample in samples:
                line = sample.model_dump_json(exclude_none=True)  # of units, too: absent is not measured
                files[shard_of(sample.id, self.count)].write(f"[{place},{line}]\n")
        write_json(self._mark, known)
        return True

    def _dealt(self) -> Any:
        try:
            return json.loads(self._mark.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def read(self, index: int) -> Iterator[tuple[int, Sample]]:
        """A worker's samples with their places, one at a time.

        Raises:
            RunError: the file cannot be read.
        """
        path = self.path(index)
        try:
            with path.open(encoding="utf-8") as file:
                for line in file:
                    place, values = json.loads(line)
                    yield place, Sample.from_dict(values)
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error}): begin the run again to deal it anew") from None
