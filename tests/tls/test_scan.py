"""What a scanner says of a listener as it comes: sslyze, with Mozilla's recommendations.

It wants an older `cryptography` than we do, so it lives in an environment of its own; it is looked
for on the path:

    python -m venv scanner && scanner/bin/pip install sslyze
    PATH=$PATH:$PWD/scanner/bin .venv/bin/python -m pytest tests/tls/test_scan.py
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scenario.gateway import upstream
from tests.scenario.origin import Origin
from tests.tls.authority import Authority
from tests.tls.kit import https

#: A scan makes hundreds of handshakes.
SCAN_S = 120.0
#: No browser knows the tests' authority.
OURS = "certificate_path_validation"

pytestmark = pytest.mark.skipif(shutil.which("sslyze") is None, reason="sslyze is not here")


@pytest.mark.parametrize(
    ("profile", "against", "found"),
    [
        ({}, "intermediate", {OURS}),
        ({"profile": "modern"}, "modern", {OURS}),
        ({}, "modern", {OURS, "tls_versions", "ciphers"}),
    ],
    ids=["as it comes", "modern", "what it would say"],
)
def test_mozillas_profiles(
    profile: dict[str, str],
    against: str,
    found: set[str],
    authority: Authority,
    tmp_path: Path,
    origin: Origin,
) -> None:
    authority.issue("a.example").write(tmp_path, "a")
    with https(upstream(origin.address), tmp_path, cert="a.pem", **profile) as gw:
        at = f"{gw.address[0]}:{gw.address[1]}"
        done = subprocess.run(
            ["sslyze", "--mozilla_config", against, "--sni", "a.example", at],
            capture_output=True,
            text=True,
            timeout=SCAN_S,
            check=False,
        )
    verdict = done.stdout.partition("COMPLIANCE AGAINST")[2]
    assert f'Mozilla\'s "{against}" configuration' in verdict, done.stdout + done.stderr
    assert set(re.findall(r"^ +\* (\w+):", verdict, re.MULTILINE)) == found, verdict
