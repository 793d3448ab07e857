from typing import Any

def create_ring(size: int = ...) -> int:
    """A new, empty ring; the descriptor of its memory."""

class RingWriter:
    """A worker's end."""

    lines: int
    dropped: int
    def __init__(self, fd: int, doorbell: int = -1) -> None: ...
    def write(self, line: bytes) -> bool:
        """For tests: one line; False = dropped."""

class RingReader:
    """The control process's end."""

    def __init__(self, fd: int) -> None: ...
    @property
    def waiting(self) -> int:
        """Bytes of lines that are there."""
    @property
    def written(self) -> int:
        """Lines ever written."""
    @property
    def dropped(self) -> int:
        """Lines dropped for want of room."""
    def write_to(self, fd: int, socket: bool = ...) -> int:
        """Write what is there to a descriptor, as much as it takes; the number of bytes.

        `socket`: by send(MSG_DONTWAIT), so that the descriptor's flags need not be changed.
        OSError as write(2) says; nothing is lost then."""
    def at_line(self) -> bool:
        """Whether the last byte that was taken ended a line."""
    def skip_line(self) -> None:
        """Take the rest of a line that was begun, unread."""
    def peek(self, n: int) -> bytes:
        """A copy of at most `n` bytes that are there; they stay."""
    def take(self, n: int) -> None:
        """Let `n` bytes go, which must be there."""
    def wake_above(self, n: int) -> None:
        """Have the doorbell rung once more than `n` bytes wait."""

def describe(fd: int) -> dict[str, Any]:
    """The header's numbers."""
