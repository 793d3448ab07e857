"""Who opens what a configuration names: the compiler runs as --user, the master reads for it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fastgw.named_files import Helper, NamedFiles, channel
from tests.process.gateway import Gateway, is_control
from tests.process.service import ask, configuration, connect, run
from tests.scenario.origin import Origin
from tests.tls.authority import Authority
from tests.tls.kit import GET, SecureClient, trusting

NOBODY = 65534
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that everybody can look into, unlike a test's own."""
    folder = Path(tempfile.mkdtemp(prefix="fastgw-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def helped() -> Iterator[NamedFiles]:
    """Somebody who asks, and a thread that answers as the owner of root's files would."""
    ours, theirs = channel()
    helper = Helper(None)

    def attend() -> None:
        while helper.answer(ours):
            pass

    thread = threading.Thread(target=attend)
    thread.start()
    named = NamedFiles(theirs)
    yield named
    named.close()
    thread.join(5)
    ours.close()
    assert not thread.is_alive()


# -- the protocol --------------------------------------------------------------------------


def test_helper_opens_regular_files_of_its_owners_alone(helped: NamedFiles, tmp_path: Path) -> None:
    good, other, pipe = tmp_path / "key", tmp_path / "other", tmp_path / "pipe"
    good.write_text("secret")
    other.write_text("not ours")
    os.mkfifo(pipe)
    if os.geteuid() == 0:
        os.chown(other, 12345, 12345)
    with open(helped._asked_open(str(good))) as f:
        assert f.read() == "secret"
    for path in (pipe, tmp_path, *([other] if os.geteuid() == 0 else ())):
        with pytest.raises(PermissionError):
            helped._asked_open(str(path))
    with pytest.raises(FileNotFoundError):
        helped._asked_open(str(tmp_path / "none"))
    with pytest.raises(OSError):
        helped._asked_open("a\0b")
    # None of that has disturbed it.
    os.close(helped._asked_open(str(good)))


def test_what_was_asked_for_is_remembered_missing_files_too(tmp_path: Path) -> None:
    named, there, missing = NamedFiles(), tmp_path / "there.yaml", tmp_path / "missing"
    there.write_text("x")
    os.close(named.open(str(there)))
    with pytest.raises(FileNotFoundError):
        named.open(str(missing))
    assert named.find(str(tmp_path / "*.yaml")) == [str(there)]
    assert named.opened[str(there)][1] == 1
    assert named.opened[str(missing)] == (0, 0, 0)
    assert named.patterns == {str(tmp_path / "*.yaml"): [str(there)]}


def test_many_names_fit_into_an_answer(helped: NamedFiles, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may send so much at once")
    for i in range(3000):
        (tmp_path / f"{i:04}-a-name-that-is-not-short-at-all.pem").touch()
    answer, _ = helped._ask("find", str(tmp_path / "*.pem"))
    assert len(answer["paths"]) == 3000  # type: ignore[arg-type]


def test_broken_questions_end_the_channel_and_nothing_else() -> None:
    for question in (b"[", b"{}", b"[1]", b'["open"]', b"\xff"):
        ours, theirs = channel()
        with ours, theirs:
            theirs.send(question)
            assert Helper(None).answer(ours) is False


# -- real gateways -------------------------------------------------------------------------


def secret_configuration(folder: Path, origin: Origin, authority: Authority) -> Path:
    """Everything in a folder that root alone can look into."""
    authority.issue("a.example").write(folder, "a")
    (folder / "token").write_text("from a secret\n")
    (folder / "page.txt").write_text("from a file")
    (folder / "more").mkdir()
    (folder / "more" / "a.yaml").write_text("routes:\n  inc: {match: /inc, respond: {body: one}}\n")
    port = origin.address[1]
    file = folder / "gateway.yaml"
    file.write_text(
        "version: 1\ninclude: more/*.yaml\n"
        "listen: {s: {addr: '127.0.0.1:0', tls: {cert: a.pem, key: a.key}}}\n"
        "routes:\n"
        f"  all: {{match: /*, upstream: 'http://127.0.0.1:{port}'}}\n"
        "  token: {match: /token, respond: {body: '${file:token}'}}\n"
        "  page: {match: /page, respond: {file: page.txt}}\n"
    )
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    folder.chmod(0o700)
    return file


def get(path: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: a.example\r\n\r\n" % path.encode()


def reload(gateway: Gateway, says: str) -> None:
    gateway.signal(signal.SIGHUP)
    gateway.wait_for(says)


@root_only
def test_user_may_read_nothing_and_all_of_it_is_served(
    tmp_path: Path, origin: Origin, authority: Authority
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    file = secret_configuration(folder, origin, authority)
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    with run(run_dir, str(file), "--workers", "1", "--user", "nobody") as gateway:
        at = gateway.wait_for(r"listening on https://([\d.]+):(\d+)")
        gateway.ready()
        with SecureClient((at[1], int(at[2])), trusting(authority)) as client:
            bodies = {p: client.send(get(p)).answer().body for p in ("/token", "/page", "/inc")}
            assert bodies == {"/token": b"from a secret", "/page": b"from a file", "/inc": b"one"}
            (folder / "more" / "b.yaml").write_text(
                "routes:\n  b: {match: /b, respond: {body: two}}\n"
            )
            (folder / "more" / "b.yaml").chmod(0o600)
            reload(gateway, "generation 2 serves")
            assert client.send(get("/b")).answer().body == b"two"
            assert client.send(GET).answer().status == 200


@root_only
def test_dry_run_reads_what_a_reload_would(
    tmp_path: Path, origin: Origin, authority: Authority
) -> None:
    """The control process runs as the user as well, and may read none of it."""
    folder, run_dir = tmp_path / "etc", tmp_path / "run"
    folder.mkdir()
    run_dir.mkdir()
    file = secret_configuration(folder, origin, authority)
    text = file.read_text()
    with run(run_dir, str(file), "--workers", "1", "--user", "nobody") as gateway:
        gateway.ready()
        gateway.wait_for("control .* serves")
        (control,) = [pid for pid in gateway.children() if is_control(pid)]
        assert os.stat(f"/proc/{control}").st_uid == 65534
        transport = httpx.HTTPTransport(uds=str(run_dir / "default" / "admin.sock"))
        with httpx.Client(transport=transport, base_url="http://x", timeout=60) as api:
            for query in ("?dry_run=true", ""):
                assert api.put(f"/config{query}", content=text).status_code == 200
                said = api.put(f"/config{query}", content=text.replace("a.key", "b.key"))
                assert said.status_code == 422 and "b.key" in said.text
                assert api.get("/config").json()["generation"] == (1 if query else 2)
        assert not (run_dir / "default" / "check-config.yaml").exists()


@root_only
def test_file_of_somebody_else_is_not_read_for_the_compiler(tmp_path: Path, origin: Origin) -> None:
    secret = tmp_path / "theirs"
    secret.write_text("somebody's own")
    secret.chmod(0o600)
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin))
    with run(tmp_path, str(file), "--workers", "1", "--user", "nobody") as gateway:
        address = gateway.address()
        gateway.ready()
        text = configuration(origin, ["a: {match: /a, respond: {file: theirs}}"])
        file.write_text(text)
        reload(gateway, "generation 2 serves")
        os.chown(secret, 12345, 12345)
        reload(gateway, r"gateway.yaml:6:\d+: .*file 'theirs': Permission denied")
        gateway.wait_for("generation 2 goes on")
        with connect(address) as client:
            assert ask(client, get("/a")).endswith(b"somebody's own")


PLUGIN = """
import os
from pathlib import Path
from fastgw import Policy, Response

def sockets():
    found = [os.readlink(fd) for fd in Path("/proc/self/fd").iterdir() if os.path.exists(fd)]
    return [link for link in found if link.startswith("socket:")]

with open({seen!r}, "a") as f:
    print("worker" if "-w" in Path("/proc/self/comm").read_text() else "compiler",
          os.getuid(), len(sockets()), file=f)

class Says(Policy):
    def on_request(self, request):
        return Response(200)
"""


@root_only
def test_plugins_are_imported_as_the_user_and_find_no_channel(
    tmp_path: Path, readable: Path, origin: Origin
) -> None:
    seen = readable / "seen"
    seen.touch()
    seen.chmod(0o666)
    (readable / "saying.py").write_text(PLUGIN.format(seen=str(seen)))
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin, ["p: {match: /p, upstream: app, plugin: 'saying:Says'}"]))
    command = [sys.executable, "-m", "fastgw", "run", str(file), "--workers", "1"]
    command += ["--user", "nobody", "--run-dir", str(tmp_path)]
    env = {"PYTHONPATH": f"{readable}:{os.environ.get('PYTHONPATH', '')}"}
    with Gateway(command, env) as gateway:
        address = gateway.address()
        gateway.ready()
        with connect(address) as client:
            assert ask(client, get("/p")).startswith(b"HTTP/1.1 200")
    rows = [line.split() for line in seen.read_text().splitlines()]
    assert {uid for _, uid, _ in rows} == {str(NOBODY)}
    assert [n for who, _, n in rows if who == "compiler"] == ["0"]


def test_configuration_in_python_runs_without_a_channel(tmp_path: Path) -> None:
    """Its child gets no descriptor but the three standard ones."""
    from fastgw.config.python_source import read_python

    file = tmp_path / "gateway.py"
    file.write_text(
        "import os\n"
        "names = [f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')]\n"
        "links = [os.readlink(name) for name in names if os.path.exists(name)]\n"
        "config = {'version': 1, 'links': [l for l in links if l.startswith('socket:')]}\n"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        document = read_python(str(file))
    assert document.problems == []
    assert document.value == {"version": 1, "links": []}
