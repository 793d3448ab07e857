"""Real gateways with TLS: from the command line, over workers, reloads and deaths."""

from __future__ import annotations

import os
import signal
import ssl
import sys
from pathlib import Path

import pytest

from tests.process.gateway import ROOT, Gateway
from tests.scenario.client import Client
from tests.scenario.origin import Origin
from tests.tls.authority import Authority
from tests.tls.kit import GET, SecureClient, trusting

Address = tuple[str, int]


def run(run_dir: Path, *words: str) -> Gateway:
    """`fastgw run`."""
    return Gateway([sys.executable, "-m", "fastgw", "run", *words, "--run-dir", str(run_dir)])


def addresses(gateway: Gateway) -> dict[str, Address]:
    """Scheme -> address of two listeners."""
    found = {}
    for _ in range(2):
        at = gateway.wait_for(r"listening on (https?)://([\d.]+):(\d+)")
        found[at[1]] = (at[2], int(at[3]))
    return found


def served(
    address: Address, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[set[str], ssl.SSLSession | None, bool]:
    """Names of the certificate, the session, and whether it was resumed, after a request."""
    with SecureClient(address, context, session=session) as c:
        assert c.send(GET).answer().status == 200
        names = c.names if not c.socket.session_reused else set()
        return names, c.socket.session, bool(c.socket.session_reused)


def resumes(
    address: Address, context: ssl.SSLContext, session: ssl.SSLSession | None, times: int
) -> ssl.SSLSession | None:
    """Each of some connections resumes the session of the one before; the last one's."""
    for _ in range(times):
        _, session, resumed = served(address, context, session)
        assert resumed
    return session


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    """A client's; its sessions belong to it."""
    return trusting(authority)


def config(folder: Path, origin: Origin, tls: str) -> Path:
    """A file with a listener with TLS and one without."""
    file = folder / "gateway.yaml"
    file.write_text(
        f"version: 1\nlisten:\n  s: {{addr: '127.0.0.1:0', tls: {tls}}}\n  p: 127.0.0.1:0\n"
        f"routes:\n  all: {{match: /*, upstream: 'http://127.0.0.1:{origin.address[1]}'}}\n"
    )
    return file


def test_command_line(
    context: ssl.SSLContext, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    """The line of the manual: no file, TLS and plain side by side."""
    words = ["--listen", "https://127.0.0.1:0", "--tls-cert", pair[0], "--tls-key", pair[1]]
    words += ["--listen", "127.0.0.1:0", "--to", f"http://127.0.0.1:{origin.address[1]}"]
    with run(tmp_path, *words, "--workers", "1") as gateway:
        at = addresses(gateway)
        gateway.ready()
        assert served(at["https"], context)[0] == {"a.example"}
        with Client(at["http"]) as c:
            assert c.send(GET).answer().status == 200
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0


def test_unusable_certificate_ends_the_start(tmp_path: Path) -> None:
    words = ["--listen", "https://127.0.0.1:0", "--tls-cert", "/no/cert.pem"]
    with run(tmp_path, *words, "--to", "http://127.0.0.1:9") as gateway:
        assert gateway.wait() == 2
        assert "/no/cert.pem: No such file or directory" in gateway.log


def test_sessions_resume_on_every_worker(
    context: ssl.SSLContext, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    """Before and after a reload, and in the worker that takes a dead one's place."""
    file = config(tmp_path, origin, "{cert: a.pem}")
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        _, session, _ = served(at, context)
        session = resumes(at, context, session, 8)
        gateway.signal(signal.SIGHUP)
        gateway.wait_for(r"reload \(HUP\): generation 2 serves")
        session = resumes(at, context, session, 8)
        os.kill(gateway.workers()[0], signal.SIGKILL)
        gateway.wait_for("ended: .*KILL")
        gateway.wait_for("ready after")
        resumes(at, context, session, 8)


def test_sessions_resume_after_an_upgrade(
    context: ssl.SSLContext, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    """The new program gets the ring of the old one."""
    file = config(tmp_path, origin, "{cert: a.pem}")
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        _, session, _ = served(at, context)
        gateway.signal(signal.SIGUSR2)
        new = int(gateway.wait_for(r"the new program \(pid (\d+)\) is ready")[1])
        try:
            assert gateway.process.wait(30) == 0
            resumes(at, context, session, 4)
        finally:
            os.kill(new, signal.SIGTERM)


def test_renewed_certificate_is_taken_up_by_a_reload(
    context: ssl.SSLContext, authority: Authority, tmp_path: Path, origin: Origin
) -> None:
    authority.issue("a.example", "old.example").write(tmp_path, "a")
    file = config(tmp_path, origin, "{cert: a.pem}")
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        with SecureClient(at, context) as established:
            assert established.send(GET).answer().status == 200
            authority.issue("a.example", "new.example").write(tmp_path, "a")
            gateway.signal(signal.SIGHUP)
            gateway.wait_for(r"reload \(HUP\): generation 2 serves")
            assert served(at, context)[0] == {"a.example", "new.example"}
            assert established.send(GET).answer().status == 200


def test_bad_certificate_leaves_the_running_one(
    context: ssl.SSLContext,
    authority: Authority,
    pair: tuple[str, str],
    tmp_path: Path,
    origin: Origin,
) -> None:
    file = config(tmp_path, origin, "{cert: a.pem}")
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        other = authority.issue("a.example")
        expired = authority.issue("a.example", begins=-9, ends=-1)
        for cert, key, why in (
            (other.cert, Path(pair[1]).read_bytes(), "does not belong to the certificate"),
            (other.cert, other.key(b"secret"), "the private key is encrypted"),
            (expired.cert, expired.key(), "the certificate expired 1 days ago"),
            (b"nonsense", b"nonsense", "holds no certificate"),
        ):
            (tmp_path / "a.pem").write_bytes(cert)
            (tmp_path / "a.key").write_bytes(key)
            gateway.signal(signal.SIGHUP)
            gateway.wait_for(f"error master.*a.(pem|key).*{why}")
            gateway.wait_for(r"reload \(HUP\) failed: generation 1 goes on")
            assert served(at, context)[0] == {"a.example"}


def test_tls_comes_and_goes_by_reload(
    context: ssl.SSLContext,
    authority: Authority,
    pair: tuple[str, str],
    tmp_path: Path,
    origin: Origin,
) -> None:
    """A listener that gets another `tls:` keeps its socket and its connections."""
    file = config(tmp_path, origin, "{cert: a.pem}")
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        at = addresses(gateway)
        gateway.ready()
        strict = file.read_text().replace("{cert: a.pem}", "{cert: a.pem, min_version: '1.3'}")
        file.write_text(strict)
        gateway.signal(signal.SIGHUP)
        gateway.wait_for(r"reload \(HUP\): generation 2 serves")
        old = trusting(authority, version=ssl.TLSVersion.TLSv1_2)
        with pytest.raises(ssl.SSLError):
            SecureClient(at["https"], old)
        assert served(at["https"], context)[0] == {"a.example"}


def test_ticket_keys_of_a_file_serve_several_nodes(
    context: ssl.SSLContext, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    (tmp_path / "tickets").write_bytes(os.urandom(160))
    file = config(tmp_path, origin, "{cert: a.pem, ticket_keys: tickets}")
    one, other = tmp_path / "one", tmp_path / "other"
    with run(one, str(file), "--workers", "1") as a, run(other, str(file), "--workers", "1") as b:
        first, second = addresses(a)["https"], addresses(b)["https"]
        a.ready()
        b.ready()
        _, session, _ = served(first, context)
        assert served(second, context, session)[2]


def test_ticket_keys_turn_when_their_file_changes(
    authority: Authority, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    """As the manual says: a new key before the old one, later without it."""
    old, new = os.urandom(80), os.urandom(80)
    (tmp_path / "tickets").write_bytes(old)
    file = config(tmp_path, origin, "{cert: a.pem, ticket_keys: tickets}")
    # A ticket of TLS 1.2 serves more than once.
    context = trusting(authority, version=ssl.TLSVersion.TLSv1_2)
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        _, first, _ = served(at, context)
        for n, keys in ((2, new + old), (3, new)):
            (tmp_path / "next").write_bytes(keys)
            (tmp_path / "next").replace(tmp_path / "tickets")
            gateway.wait_for(rf"reload \(certificate files have changed\): generation {n} serves")
            _, later, resumed = served(at, context, first)
            assert resumed == (n == 2), "the old key opens as long as it is there"
            assert served(at, context, later)[2], "sealed with the new one"


def test_example(authority: Authority, tmp_path: Path) -> None:
    """examples/tls.yaml with the certificate that it asks for."""
    text = (ROOT / "examples/tls.yaml").read_text()
    authority.issue("localhost").write(tmp_path, "localhost")
    file = tmp_path / "tls.yaml"
    file.write_text(text.replace("127.0.0.1:8443", "127.0.0.1:0"))
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        at = gateway.wait_for(r"listening on https://([\d.]+):(\d+)")
        gateway.ready()
        with SecureClient((at[1], int(at[2])), trusting(authority), "localhost") as c:
            assert c.socket.version() == "TLSv1.3"
            assert c.send(GET).answer().status == 502
