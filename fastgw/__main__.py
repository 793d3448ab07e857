"""`python -m fastgw` is the `fastgw` command."""

from __future__ import annotations

from fastgw.cli.main import main

if __name__ == "__main__":
    main()
