"""The token of the admin API's TCP listeners; read by the master, which may read what the
control process may not."""

from __future__ import annotations

#: One that is shorter can be guessed.
LEAST_BYTES = 16
MOST_BYTES = 4096


class TokenError(Exception):
    """The token can't be used; the text says why."""


def read_token(path: str) -> str:
    """A token from a file, without the white space around it."""
    try:
        with open(path, encoding="ascii") as f:
            token = f.read(MOST_BYTES + 1).strip()
    except (OSError, UnicodeDecodeError) as e:
        raise TokenError(f"admin token {path}: {getattr(e, 'strerror', None) or e}") from e
    if not LEAST_BYTES <= len(token) <= MOST_BYTES or any(c.isspace() for c in token):
        raise TokenError(f"admin token {path}: must be one word of at least {LEAST_BYTES} letters")
    return token
