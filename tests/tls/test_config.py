"""What may be written below `tls:`, and what is said of what is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fastgw.config.build import CommandLine, build_file
from fastgw.config.problems import ConfigError
from fastgw.ext.io.tls.self_signed import make_self_signed
from fastgw.tls.bundle import Bundle, BundleError, pack_bundle, read_bundle
from tests.tls.authority import Authority, Issued
from tests.tls.kit import options_of

ROUTES = "routes:\n  all: {match: /*, upstream: http://127.0.0.1:9}\n"


def problems(folder: Path, tls: str, routes: str = ROUTES) -> list[tuple[str, int, str]]:
    """(code, line, message) of all that is wrong with a listener's `tls:`."""
    file = folder / "gateway.yaml"
    file.write_text(f"version: 1\nlisten:\n  s:\n    addr: :8443\n    tls: {tls}\n{routes}")
    try:
        build_file(str(file))
    except ConfigError as e:
        return [(p.code, p.line, p.message) for p in e.problems]
    return []


def test_a_pair(pair: tuple[str, str], tmp_path: Path) -> None:
    assert problems(tmp_path, "{cert: a.pem, key: a.key}") == []
    assert problems(tmp_path, "{cert: a.pem}") == []
    assert problems(tmp_path, "{certificates: a.pem}") == []
    assert problems(tmp_path, "{certificates: ['*.pem']}") == []
    assert problems(tmp_path, "{certificates: [{cert: a.pem, key: a.key}]}") == []


def test_key_in_the_same_file(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue("a.example")
    (tmp_path / "both.pem").write_bytes(issued.key() + issued.cert + authority.cert)
    options = options_of(tmp_path, certificates=["both.pem"])
    assert list(options["names"]) == ["a.example"]


def mismatch(a: Issued, b: Issued, folder: Path) -> None:
    """A certificate with another one's key."""
    (folder / "x.pem").write_bytes(a.cert)
    (folder / "x.key").write_bytes(b.key())


WRONG: dict[str, tuple[str, str, str]] = {
    "missing": ("{cert: no.pem}", "FGW302", "no.pem: No such file"),
    "folder": ("{cert: .}", "FGW302", "not a regular file"),
    "mismatch": ("{cert: x.pem}", "FGW303", "x.key: the private key does not belong"),
    "encrypted": ("{cert: e.pem}", "FGW305", "e.key: the private key is encrypted"),
    "expired": ("{cert: old.pem}", "FGW304", "old.pem: the certificate expired 4 days ago"),
    "early": ("{cert: early.pem}", "FGW304", "early.pem: the certificate is not valid yet"),
    "no certificate": ("{cert: x.key, key: x.key}", "FGW302", "x.key: holds no certificate"),
    "no key": ("{cert: x.pem, key: x.pem}", "FGW302", "x.pem: holds no private key"),
    "damaged": ("{cert: bad.pem, key: x.key}", "FGW302", "bad.pem: certificate can't be read"),
    "no match": ("{certificates: ['none/*.pem']}", "FGW302", "no file matches"),
    "nothing": ("{}", "FGW307", "no certificate"),
    "curve": ("{cert: a.pem, groups: [P-257]}", "FGW306", "P-257"),
    "cipher": ("{cert: a.pem, ciphers: [ROT13]}", "FGW306", "ciphers"),
    "suite": ("{cert: a.pem, suites: [TLS_NO]}", "FGW306", "suites"),
    "profile": ("{cert: a.pem, profile: modem}", "FGW005", "modern"),
    "no ca": ("{cert: a.pem, client: require}", "FGW306", "needs 'ca'"),
    "bad ca": ("{cert: a.pem, client: {mode: require, ca: x.key}}", "FGW306", "no certificate"),
    "uncovered": ("{cert: a.pem, names: {b.example: {profile: old}}}", "FGW307", "b.example"),
    "tickets": ("{cert: a.pem, ticket_keys: x.key}", "FGW302", "one to three keys of 80"),
    "ocsp": ("{certificates: [{cert: a.pem, ocsp: no}]}", "FGW302", "no: No such file"),
    "unknown": ("{cert: a.pem, curve: x}", "FGW003", "unknown key"),
    "old versions": (
        "{cert: a.pem, min_version: '1.3', max_version: '1.2'}", "FGW306", "min_version"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", list(WRONG))
def test_wrong(what: str, authority: Authority, pair: tuple[str, str], tmp_path: Path) -> None:
    mismatch(authority.issue("x.example"), authority.issue("y.example"), tmp_path)
    encrypted = authority.issue("e.example")
    (tmp_path / "e.pem").write_bytes(encrypted.cert)
    (tmp_path / "e.key").write_bytes(encrypted.key(b"secret"))
    authority.issue("old.example", begins=-20, ends=-4).write(tmp_path, "old")
    authority.issue("early.example", begins=3, ends=9).write(tmp_path, "early")
    (tmp_path / "bad.pem").write_bytes(authority.cert[:-90] + b"\n-----END CERTIFICATE-----\n")
    tls, code, words = WRONG[what]
    found = problems(tmp_path, tls)
    assert len(found) == 1, found
    assert found[0][0] == code
    assert found[0][1] == 5
    assert words in found[0][2]
    assert b"secret" not in str(found).encode()


def test_unreadable(pair: tuple[str, str], tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root reads everything")
    os.chmod(pair[1], 0)
    assert "Permission denied" in problems(tmp_path, "{cert: a.pem}")[0][2]


def test_everything_at_once(authority: Authority, tmp_path: Path) -> None:
    for i in range(3):
        authority.issue("a.example", begins=-9, ends=-1).write(tmp_path, f"x{i}")
    codes = [code for code, _, _ in problems(tmp_path, "{certificates: ['*.pem', no.pem]}")]
    assert codes.count("FGW304") == 3
    assert codes.count("FGW302") == 1


UPSTREAM = "  u: {servers: https://a.example, tls: %s}\n"


@pytest.mark.parametrize(
    ("tls", "code", "words"),
    [
        ("{ca: no}", "FGW302", "no: No such file"),
        ("{ca: a.key}", "FGW302", "a.key: holds no certificate"),
        ("{crl: a.pem}", "FGW306", "needs 'ca'"),
        ("{key: a.key}", "FGW306", "needs 'cert'"),
        ("{cert: a.pem, key: a.pem}", "FGW302", "holds no private key"),
        ("{ciphers: ROT13}", "FGW306", "ciphers"),
    ],
)
def test_wrong_upstream(
    tls: str, code: str, words: str, pair: tuple[str, str], tmp_path: Path
) -> None:
    servers = "https://127.0.0.1:9"
    routes = (
        f"upstreams:\n  u: {{servers: {servers}, tls: {tls}}}\n"
        "routes:\n  all: {match: /*, upstream: u}\n"
    )
    found = problems(tmp_path, "{cert: a.pem}", routes)
    assert [(c, words in m) for c, _, m in found] == [(code, True)]


# -- the command line ----------------------------------------------------------------------------


def test_command_line(pair: tuple[str, str], tmp_path: Path) -> None:
    from fastgw.config.build import build

    said = CommandLine(
        to=("http://127.0.0.1:9",),
        listen=("https://127.0.0.1:8443", "127.0.0.1:8080"),
        tls_cert=pair[0],
        tls_key=pair[1],
    )
    first, second = build(None, said).listeners
    assert (first.name, first.address) == ("cli-1", "127.0.0.1:8443")
    assert list(first.options["tls"]["names"]) == ["a.example"]
    assert (second.address, dict(second.options)) == ("127.0.0.1:8080", {})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--listen", "https://:8443"], "needs --tls-cert"),
        (["--tls-cert", "a.pem"], "needs a --listen https://"),
        (["--listen", "https://:8443", "--tls-key", "a.key"], "--tls-key needs --tls-cert"),
    ],
)
def test_wrong_command_lines(words: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fastgw", "run", "--to", "http://127.0.0.1:9", *words],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 2
    assert said in done.stderr


# -- bundles -------------------------------------------------------------------------------------


def test_bundle(pair: tuple[str, str], tmp_path: Path) -> None:
    files = options_of(tmp_path, cert=pair[0])["files"]
    bundle = Bundle(read_bundle(files))
    assert len(bundle) == 2
    for digest, path in files.items():
        assert bundle[digest] == Path(path).read_bytes()
    with pytest.raises(KeyError):
        bundle["00" * 16]
    assert len(Bundle(pack_bundle({}))) == 0


def test_file_changed_meanwhile(pair: tuple[str, str], tmp_path: Path) -> None:
    files = options_of(tmp_path, cert=pair[0])["files"]
    Path(pair[0]).write_bytes(b"else")
    with pytest.raises(BundleError, match="a.pem: was changed"):
        read_bundle(files)
    Path(pair[0]).unlink()
    with pytest.raises(BundleError, match="a.pem: No such file"):
        read_bundle(files)


def test_plans_hold_no_keys(pair: tuple[str, str], tmp_path: Path) -> None:
    """A plan may be shown."""
    options: dict[str, Any] = options_of(tmp_path, cert=pair[0])
    assert "PRIVATE" not in str(options)
    secret = Path(pair[1]).read_text().splitlines()[1]
    assert secret not in str(options)


def test_many_certificates(tmp_path: Path) -> None:
    """A tenth of ten thousand, in a tenth of their two seconds (and a margin for busy machines)."""
    for i in range(1000):
        cert, key = make_self_signed([f"n{i}.example"])
        (tmp_path / f"{i}.pem").write_bytes(cert + key)
    begin = time.process_time()
    options = options_of(tmp_path, certificates=["*.pem"])
    took_s = time.process_time() - begin
    assert len(options["names"]) == 1000
    assert took_s < 1.0, took_s
