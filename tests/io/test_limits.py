"""The limit of connections follows from the limit of descriptors."""

from __future__ import annotations

import resource
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from fastgw.ext.io.limits import RESERVED, file_limits


@given(st.integers(1, 1 << 20), st.none() | st.integers(1, 1 << 20), st.integers(0, 50))
def test_all_that_is_granted_fits(files: int, wanted: int | None, listeners: int) -> None:
    limits = file_limits(files, wanted, listeners)
    assert limits.connections >= 1
    if wanted:
        assert limits.connections <= wanted
    if files > RESERVED + listeners + 2:
        upstreams = limits.connections // 2
        used = limits.connections + upstreams + 2 * limits.relay_pipes + RESERVED + listeners
        assert used <= files


def test_figures() -> None:
    assert file_limits(20_000).connections == (20_000 - 128 - 1 - 2 * 256) * 2 // 3
    assert file_limits(20_000).connections > 11_000
    assert file_limits(20_000, wanted=1000).connections == 1000
    assert file_limits(100_000, wanted=90_000).connections < 67_000


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    script = (
        "import resource as r; from fastgw.ext.io.limits import raise_nofile;"
        "r.setrlimit(r.RLIMIT_NOFILE, (256, 1024)); print(raise_nofile(),"
        " r.getrlimit(r.RLIMIT_NOFILE))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert said.stdout.strip() == "1024 (1024, 1024)"
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 256
