"""The admin API of a real control process, by real clients."""

from __future__ import annotations

import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from openapi_spec_validator import validate

from fastgw.control.api.app import ENDPOINTS
from fastgw.control.token import TokenError, read_token
from tests.control.kit import Master
from tests.foreign import environment

TOKEN = "s3cret-token-of-24-chars"
WORKER = {"slot": 0, "pid": 7, "state": "ready", "started_s": 1.5, "restarts": 2}
GENERATION = {
    "number": 3, "hash": "abc", "source": {"file": "/etc/gw.yaml", "options": {}}, "loaded_s": 9.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    folder = tmp_path_factory.mktemp("run")
    with Master(folder, admin_listen="127.0.0.1:0", admin_token=TOKEN,
                metrics_listen="127.0.0.1:0") as m:  # fmt: skip
        m.do(lambda c: c.tell("workers", workers=[WORKER]))
        m.do(lambda c: c.tell("generation", **GENERATION))
        yield m.wait_ready()


@pytest.fixture
def api(master: Master) -> Iterator[httpx.Client]:
    with master.client as client:
        yield client


def problem(answer: httpx.Response, status: int, name: str) -> dict[str, object]:
    """The document of an error."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, object] = answer.json()
    assert (said["type"], said["status"]) == (f"urn:fastgw:admin:{name}", status)
    return said


# -- endpoints -------------------------------------------------------------------------------


def test_health(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "alive"}
    assert api.get("/readyz").json() == {"status": "ready", "workers_ready": 1}


def test_explaining_needs_a_request_and_a_plan(api: httpx.Client) -> None:
    problem(api.get("/explain"), 400, "bad_request")
    said = problem(api.get("/explain?method=GET&url=ftp://x/"), 400, "bad_request")
    assert said["detail"] == "'ftp://x/' is no http URL"
    problem(api.get("/explain?method=GET&url=/&client=me"), 400, "bad_request")
    problem(api.get("/explain?method=GET&url=/&header=none"), 400, "bad_request")
    problem(api.get("/explain?method=GET&url=/"), 503, "not_ready")


def test_what_runs(api: httpx.Client) -> None:
    assert api.get("/workers").json() == {"workers": [WORKER]}
    assert api.get("/config").json() == {
        "generation": 3, "hash": "abc", "source": GENERATION["source"], "loaded_s": 9.0,
    }  # fmt: skip


def test_curl_on_the_unix_socket(master: Master) -> None:
    done = subprocess.run(
        ["curl", "-sS", "--fail", "--unix-socket", master.folder / "admin.sock",
         "http://localhost/healthz"], capture_output=True, text=True, timeout=20,
        env=environment(),
    )  # fmt: skip
    assert done.stdout == '{"status":"alive"}', done.stderr


def test_socket_is_ours_alone(master: Master) -> None:
    mode = (master.folder / "admin.sock").stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_reload(master: Master, api: httpx.Client) -> None:
    master.answers("reload", ok=True, generation=4)
    assert api.post("/reload").json() == {"changed": True, "generation": 4}
    master.answers("reload", ok=False, errors=["gw.yaml:3:1: unknown key 'rout'"])
    said = problem(api.post("/reload"), 422, "bad_config")
    assert said["errors"] == ["gw.yaml:3:1: unknown key 'rout'"]
    master.answers("reload", ok=False, busy=True)
    problem(api.post("/reload"), 409, "busy")


def test_put_config(master: Master, api: httpx.Client) -> None:
    master.answers("put_config", ok=True, generation=5)
    said = api.put("/config", content=b"version: 1\n")
    assert said.json() == {"changed": True, "generation": 5}
    assert master.asked[len(master.asked) - 1]["text"] == b"version: 1\n"


def test_dry_run_is_the_masters_judgement(master: Master, api: httpx.Client) -> None:
    master.answers("check_config", ok=True, generation=5)
    text = b"version: 1\nroutes: {}\n"
    said = api.put("/config?dry_run=true", content=text)
    assert said.json() == {"changed": False, "generation": 5}
    asked = master.asked[len(master.asked) - 1]
    assert (asked["type"], asked["text"]) == ("check_config", text)
    master.answers("check_config", ok=False, errors=["put-config.yaml:1:1: no"])
    said = problem(api.put("/config?dry_run=true", content=b"x"), 422, "bad_config")
    assert said["errors"] == ["put-config.yaml:1:1: no"]
    master.answers("check_config", ok=False, busy=True)
    problem(api.put("/config?dry_run=true", content=b"x"), 409, "busy")


def test_log_level(master: Master, api: httpx.Client) -> None:
    master.answers("log_level", ok=True)
    assert api.put("/log-level", json={"level": "debug"}).json() == {"level": "debug"}
    assert api.get("/log-level").json() == {"level": "debug"}
    for body in (b'{"level": "loud"}', b"[]", b"null"):
        problem(api.put("/log-level", content=body), 400, "bad_level")
    problem(api.put("/log-level", content=b"{"), 400, "bad_body")


def test_what_the_master_can_not_do(master: Master, api: httpx.Client) -> None:
    master.do(lambda c: c.on_request.pop("put_config", None))
    said = problem(api.put("/config", content=b"x"), 422, "bad_config")
    assert said["errors"] == ["put_config: not in this version"]


# -- errors ----------------------------------------------------------------------------------


def test_errors_are_problems(api: httpx.Client) -> None:
    problem(api.get("/nowhere"), 404, "not_found")
    said = api.delete("/config")
    problem(said, 405, "method_not_allowed")
    assert set(said.headers["allow"].split(", ")) == {"GET", "HEAD", "PUT"}
    problem(api.put("/config?dry_run=maybe", content=b""), 400, "bad_parameter")


def test_body_is_bounded(api: httpx.Client) -> None:
    problem(api.put("/config", content=b"x" * ((16 << 20) + 1)), 413, "too_large")
    assert api.get("/healthz").status_code == 200


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/9\r\n\r\n", b"\r\n\r\n"])
def test_garbage_harms_nobody(master: Master, api: httpx.Client, garbage: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(master.folder / "admin.sock"))
        s.sendall(garbage)
    assert api.get("/healthz").status_code == 200


# -- who may ---------------------------------------------------------------------------------


def tcp(master: Master, token: str | None = TOKEN, **headers: str) -> httpx.Response:
    """GET /workers over TCP."""
    given = {"authorization": f"Bearer {token}"} if token else {}
    url = master.address("admin-tcp-0") + "/workers"
    return httpx.get(url, headers={**given, **headers}, timeout=10)


def test_tcp_wants_the_token(master: Master) -> None:
    assert tcp(master).status_code == 200
    for token in (None, "", "wrong", TOKEN + "x", TOKEN[:10], TOKEN.upper(), "ÿ"):
        answer = httpx.get(
            master.address("admin-tcp-0") + "/workers",
            headers=[(b"authorization", b"Bearer " + token.encode("latin-1"))] if token else [],
            timeout=10,
        )
        problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    problem(tcp(master, None, authorization=f"Basic {TOKEN}"), 401, "unauthorized")


def test_two_tokens_are_none(master: Master) -> None:
    given = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer other")]
    url = master.address("admin-tcp-0") + "/workers"
    problem(httpx.get(url, headers=given, timeout=10), 401, "unauthorized")


def test_there_are_no_cookies(master: Master, api: httpx.Client) -> None:
    """None is set, and none stands in for the token."""
    for one in ENDPOINTS:
        if one.method == "GET":
            assert "set-cookie" not in api.get(one.path).headers
    url = master.address("admin-tcp-0") + "/workers"
    cookies = {"token": TOKEN, "authorization": f"Bearer {TOKEN}"}
    with httpx.Client(cookies=cookies) as client:
        problem(client.get(url), 401, "unauthorized")


def test_health_over_tcp_wants_it_too(master: Master) -> None:
    problem(httpx.get(master.address("admin-tcp-0") + "/healthz", timeout=10), 401, "unauthorized")


def test_foreign_names_are_refused(master: Master) -> None:
    """A page's own name that resolves to this address (DNS rebinding)."""
    for host in ("evil.test", "evil.test:80", "[::2]:9", ""):
        problem(tcp(master, host=host), 421, "wrong_host")
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8"):
        assert tcp(master, host=host).status_code == 200


def test_foreign_pages_are_refused(master: Master, api: httpx.Client) -> None:
    own = master.address("admin-tcp-0")
    assert tcp(master, origin=own).status_code == 200
    for origin in ("http://evil.test", "null", "", own + "0"):
        problem(tcp(master, origin=origin), 403, "foreign_origin")
    problem(api.get("/workers", headers={"origin": "http://localhost"}), 403, "foreign_origin")


def test_metrics_listener_serves_metrics_alone(master: Master) -> None:
    base = master.address("metrics-0")
    assert httpx.get(base + "/metrics", timeout=10).status_code == 200
    for path in ("/workers", "/config", "/healthz", "/openapi.json"):
        problem(httpx.get(base + path, timeout=10), 404, "not_found")
    problem(httpx.post(base + "/metrics", timeout=10), 405, "method_not_allowed")


@pytest.mark.parametrize("text", ["", "short", "two words of a token", "x" * 5000])
def test_bad_tokens(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(TokenError, match="one word of at least 16"):
        read_token(str(path))


def test_token_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"  {TOKEN}\n")
    assert read_token(str(path)) == TOKEN
    with pytest.raises(TokenError, match="No such file"):
        read_token(str(tmp_path / "none"))
    path.write_bytes(b"\xff" * 20)
    with pytest.raises(TokenError, match="token"):
        read_token(str(path))


# -- its description ---------------------------------------------------------------------------


def test_description_is_valid_and_whole(api: httpx.Client) -> None:
    said = api.get("/openapi.json").json()
    assert said["openapi"] == "3.1.0"
    validate(said)
    there = {(path, m.upper()) for path, ops in said["paths"].items() for m in ops}
    assert there == {(one.path, one.method) for one in ENDPOINTS}


def test_answers_are_as_described(master: Master, api: httpx.Client) -> None:
    from jsonschema import Draft202012Validator

    for one in ENDPOINTS:
        if one.method == "GET" and one.schema is not None and one.path != "/explain":
            Draft202012Validator(one.schema).validate(api.get(one.path).json())
