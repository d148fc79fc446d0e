"""Files that a pattern means. `**` searches a folder as `folders.below` does: links once, no circles."""

import glob
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import PurePath

from expllm.files.folders import below


def matching(pattern: str) -> list[str]:
    """The files and folders that a pattern matches, sorted; hidden ones only where the pattern has the dot.

    Python's own `**` follows a link each time that it comes by: two links back to where they lie are more
    names than any machine can list. A folder that matches stands for what is in it.
    """
    parts = PurePath(pattern).parts
    if "**" not in parts:
        return sorted(glob.glob(pattern))
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    folder = os.path.join(*parts[:fixed]) if fixed else ""
    return sorted({os.path.join(folder, *path) for path in _matching(folder or ".", parts[fixed:])})


def _matching(folder: str, pattern: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for entry in below(folder):
        if not entry.left_out and entry.error is None:
            path = PurePath(os.path.relpath(entry.path, folder)).parts
            if _matches(path, pattern):
                yield path
            else:
                folders = (path[:length] for length in range(1, len(path)))
                yield from (inside for inside in folders if _matches(inside, pattern))


def _matches(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not path or not pattern:
        return not path and all(part == "**" for part in pattern)
    first, *rest = pattern
    if first == "**":
        return _matches(path, tuple(rest)) or (not path[0].startswith(".") and _matches(path[1:], pattern))
    hidden = path[0].startswith(".") and not first.startswith(".")
    return not hidden and fnmatch(path[0], first) and _matches(path[1:], tuple(rest))
