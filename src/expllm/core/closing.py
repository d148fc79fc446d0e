"""What holds native objects or files is closed at the end of a `with` block."""

from typing import Self


class Closing:
    """Ends a `with` block by `close`."""

    def close(self) -> None:
        """Frees what is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
