"""`fastgw`, and `python -m fastgw`: one way in."""

from __future__ import annotations

import signal


def entry() -> None:
    """Run a verb. While modules are imported, Ctrl-C ends the process without a word."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from fastgw.cli.main import main

    signal.signal(signal.SIGINT, before)
    main(prog_name="fastgw")


if __name__ == "__main__":
    entry()
