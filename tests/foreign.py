"""Programs that are not ours, as tests start them."""

from __future__ import annotations

import os


def environment() -> dict[str, str]:
    """Our environment without what the sanitized build needs in every Python process: curl
    with the sanitizers' runtime loaded into it never ends."""
    return {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
