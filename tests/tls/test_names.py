"""Certificates and settings by name, and that they hold."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from fastgw.tls.tickets import NodeTickets
from tests.scenario.gateway import Step, policy, route_to, upstream
from tests.scenario.origin import Origin
from tests.tls.authority import Authority
from tests.tls.kit import GET, SecureClient, https, s_client, trusting


def get(host: str) -> bytes:
    """A request for a host."""
    return f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


# -- certificates ----------------------------------------------------------------------------


def test_certificate_by_name(authority: Authority, tmp_path: Path, origin: Origin) -> None:
    for name, names in {
        "1-first": ["a.example"], "2-wild": ["*.b.example"], "3-exact": ["x.b.example"]
    }.items():  # fmt: skip
        authority.issue(*names).write(tmp_path, name)
    with https(upstream(origin.address), tmp_path, certificates=["*.pem"]) as gw:
        context = trusting(authority)
        for name, expected in {
            "a.example": "a.example",
            "A.Example": "a.example",
            "x.b.example": "x.b.example",
            "y.b.example": "*.b.example",
            "unknown.example": "a.example",
            "z.y.b.example": "a.example",
            "b.example": "a.example",
        }.items():
            context.check_hostname = False
            with SecureClient(gw.address, context, name) as c:
                assert c.names == {expected}, name
        with SecureClient(gw.address, context, None) as c:
            assert c.names == {"a.example"}


def test_unknown_names_may_be_rejected(
    authority: Authority, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    more = {"unknown_names": "reject"}
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1], **more) as gw:
        said = s_client(gw.address, name="other.example")
        assert "unrecognized name" in said
        with SecureClient(gw.address, trusting(authority)) as c:
            assert c.send(GET).answer().status == 200


def test_rsa_and_ecdsa_side_by_side(authority: Authority, tmp_path: Path, origin: Origin) -> None:
    authority.issue("a.example", kind="rsa").write(tmp_path, "rsa")
    authority.issue("a.example", kind="ecdsa").write(tmp_path, "ecdsa")
    with https(upstream(origin.address), tmp_path, certificates=["*.pem"]) as gw:
        for sigalgs, kind in {"RSA-PSS+SHA256": "RSA-PSS", "ECDSA+SHA256": "ECDSA"}.items():
            assert f"Peer signature type: {kind}" in s_client(gw.address, "-sigalgs", sigalgs)


def test_stapled_answer(authority: Authority, tmp_path: Path, origin: Origin) -> None:
    """The bytes of the file, whatever they say: OpenSSL's client prints what it got."""
    cert, key = authority.issue("a.example").write(tmp_path, "a")
    ocsp = tmp_path / "a.ocsp"
    ocsp.write_bytes(b"\x30\x03\x0a\x01\x06")  # an OCSPResponse: unauthorized
    entry = {"cert": cert, "key": key, "ocsp": str(ocsp)}
    with https(upstream(origin.address), tmp_path, certificates=[entry]) as gw:
        assert "unauthorized (0x6)" in s_client(gw.address, "-status")
        assert "OCSP response" not in s_client(gw.address)


# -- settings --------------------------------------------------------------------------------


def test_versions_by_name(authority: Authority, tmp_path: Path, origin: Origin) -> None:
    authority.issue("a.example", "new.example").write(tmp_path, "a")
    names = {"new.example": {"min_version": "1.3"}}
    with https(upstream(origin.address), tmp_path, certificates=["a.pem"], names=names) as gw:
        assert "alert protocol version" in s_client(gw.address, "-tls1_2", name="new.example")
        assert "New, TLSv1.2" in s_client(gw.address, "-tls1_2", name="a.example")
        assert "New, TLSv1.3" in s_client(gw.address, name="new.example")


def test_ciphers_by_name(authority: Authority, tmp_path: Path, origin: Origin) -> None:
    authority.issue("a.example", "strong.example").write(tmp_path, "a")
    strong = {"ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384", "suites": "TLS_AES_256_GCM_SHA384"}
    names = {"strong.example": strong}
    with https(upstream(origin.address), tmp_path, certificates=["a.pem"], names=names) as gw:
        weak = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]
        assert "handshake failure" in s_client(gw.address, *weak, name="strong.example")
        assert "Cipher is ECDHE-ECDSA-AES128" in s_client(gw.address, *weak, name="a.example")
        weak = ["-ciphersuites", "TLS_AES_128_GCM_SHA256"]
        assert "handshake failure" in s_client(gw.address, *weak, name="strong.example")
        assert "Cipher is TLS_AES_128" in s_client(gw.address, *weak, name="a.example")


@pytest.mark.parametrize(
    ("profile", "version", "ok"),
    [
        ("modern", "-tls1_2", False),
        ("modern", "-tls1_3", True),
        ("intermediate", "-tls1_1", False),
        ("intermediate", "-tls1_2", True),
        ("old", "-tls1", True),
        ("old", "-tls1_3", True),
    ],
)
def test_profiles(
    profile: str, version: str, ok: bool, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    more = {"profile": profile}
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1], **more) as gw:
        said = s_client(gw.address, version, "-cipher", "ALL:@SECLEVEL=0")
        assert ("Cipher is (NONE)" not in said) == ok


def test_protocol_must_be_ours(
    authority: Authority, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
            SecureClient(gw.address, trusting(authority, alpn=("ftp",)))
        for offered in ((), ("h2", "http/1.1")):
            with SecureClient(gw.address, trusting(authority, alpn=offered)) as c:
                assert c.send(GET).answer().status == 200


# -- client certificates -----------------------------------------------------------------------


@pytest.fixture
def clients() -> Authority:
    """Whom the gateway trusts."""
    return Authority("clients")


def with_admin(
    authority: Authority, clients: Authority, tmp_path: Path, **rules: str
) -> dict[str, object]:
    """A listener on which one name of three demands certificates."""
    authority.issue("a.example", "b.example", "admin.example").write(tmp_path, "a")
    (tmp_path / "clients.ca").write_bytes(clients.cert)
    admin = {"mode": "require", "ca": "clients.ca", **rules}
    return {"certificates": ["a.pem"], "names": {"admin.example": {"client": admin}}}


def refused(address: tuple[str, int], context: ssl.SSLContext, name: str = "admin.example") -> bool:
    """Whether no request comes through; in TLS 1.3 the client hears of it after its part."""
    try:
        with SecureClient(address, context, name) as c:
            c.send(get(name)).answer()
    except (ssl.SSLError, EOFError, ConnectionError):
        return True
    return False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_required_certificate(
    version: ssl.TLSVersion,
    authority: Authority,
    clients: Authority,
    tmp_path: Path,
    origin: Origin,
) -> None:
    mine = clients.issue("me", subject="me").write(tmp_path, "me")
    strange = Authority("strange").issue("me").write(tmp_path, "strange")
    expired = clients.issue("me", begins=-10, ends=-1).write(tmp_path, "expired")
    tls = with_admin(authority, clients, tmp_path)
    with https(upstream(origin.address), tmp_path, **tls) as gw:
        for cert in (None, strange, expired):
            assert refused(gw.address, trusting(authority, version=version, cert=cert))
        with SecureClient(
            gw.address, trusting(authority, version=version, cert=mine), "admin.example"
        ) as c:
            assert c.send(get("admin.example")).answer().status == 200
        with SecureClient(gw.address, trusting(authority, version=version), "a.example") as c:
            assert c.send(get("a.example")).answer().status == 200


def test_requested_certificate(
    authority: Authority, clients: Authority, tmp_path: Path, origin: Origin
) -> None:
    mine = clients.issue("me", subject="me").write(tmp_path, "me")
    strange = Authority("strange").issue("me").write(tmp_path, "strange")
    cert, key = authority.issue("a.example").write(tmp_path, "a")
    (tmp_path / "clients.ca").write_bytes(clients.cert)
    client = {"mode": "request", "ca": "clients.ca"}
    seen = {"X-Subject": "{tls.client.subject}"}
    step = Step(policy("headers", request={"set": seen}))
    route = route_to(upstream(origin.address), steps=(step,))
    with https(route, tmp_path, cert=cert, key=key, client=client) as gw:
        for shown, subject in ((None, b""), (mine, b"CN=me")):
            with SecureClient(gw.address, trusting(authority, cert=shown)) as c:
                assert c.send(GET).answer().status == 200
            assert origin.request().value("X-Subject") == subject
        assert refused(gw.address, trusting(authority, cert=strange), "a.example")


def test_revoked_certificate(
    authority: Authority, clients: Authority, tmp_path: Path, origin: Origin
) -> None:
    good, bad = clients.issue("good"), clients.issue("bad")
    (tmp_path / "clients.crl").write_bytes(clients.crl(bad))
    tls = with_admin(authority, clients, tmp_path, crl="clients.crl")
    with https(upstream(origin.address), tmp_path, **tls) as gw:
        assert refused(gw.address, trusting(authority, cert=bad.write(tmp_path, "bad")))
        assert not refused(gw.address, trusting(authority, cert=good.write(tmp_path, "good")))


def test_host_must_be_the_name_that_demands(
    authority: Authority, clients: Authority, tmp_path: Path, origin: Origin
) -> None:
    """Neither may a connection without a certificate ask for the guarded name, nor one that
    was made for it ask for another."""
    mine = clients.issue("me").write(tmp_path, "me")
    tls = with_admin(authority, clients, tmp_path)
    with https(upstream(origin.address), tmp_path, **tls) as gw:
        with SecureClient(gw.address, trusting(authority), "a.example") as c:
            assert c.send(get("admin.example")).answer().status == 421
            assert gw.record()["reason"] == "misdirected"
            assert c.send(get("ADMIN.example:443")).answer().status == 421
            assert c.send(get("b.example")).answer().status == 200
        with SecureClient(gw.address, trusting(authority, cert=mine), "admin.example") as c:
            assert c.send(get("a.example")).answer().status == 421
            assert c.send(get("admin.example")).answer().status == 200
        with SecureClient(gw.address, trusting(authority), None) as c:
            assert c.send(get("admin.example")).answer().status == 421
            assert c.send(get("a.example")).answer().status == 200


def test_facts_of_the_client(
    authority: Authority, clients: Authority, tmp_path: Path, origin: Origin
) -> None:
    issued = clients.issue(
        "me.example", subject="Müller, Ä", organization="b+c", uri="spiffe://x/y"
    )
    mine = issued.write(tmp_path, "me")
    cert, key = authority.issue("a.example").write(tmp_path, "a")
    (tmp_path / "clients.ca").write_bytes(clients.cert)
    wanted = {
        "X-Name": "{tls.name}", "X-Version": "{tls.version}", "X-Cipher": "{tls.cipher}",
        "X-Subject": "{tls.client.subject}", "X-Issuer": "{tls.client.issuer}",
        "X-Print": "{tls.client.fingerprint}", "X-Names": "{tls.client.names}",
        "Client-Cert": "{tls.client.cert}",
    }  # fmt: skip
    route = route_to(
        upstream(origin.address), steps=(Step(policy("headers", request={"set": wanted})),)
    )
    client = {"mode": "require", "ca": "clients.ca"}
    with https(route, tmp_path, cert=cert, key=key, client=client) as gw:
        with SecureClient(gw.address, trusting(authority, cert=mine)) as c:
            for _ in range(2):
                assert c.send(GET).answer().status == 200
                request = origin.request()
        der = issued.x.public_bytes(Encoding.DER)
        assert request.value("X-Name") == b"a.example"
        assert request.value("X-Version") == b"TLSv1.3"
        assert request.value("X-Cipher").startswith(b"TLS_")
        assert request.value("X-Subject") == rb"O=b\+c,CN=M\C3\BCller\, \C3\84"
        assert request.value("X-Issuer") == b"CN=clients"
        assert request.value("X-Print") == issued.x.fingerprint(SHA256()).hex().encode()
        assert request.value("X-Names") == b"dns:me.example,uri:spiffe://x/y"
        assert request.value("Client-Cert") == b":" + b64encode(der) + b":"


def test_the_chain_of_the_client_and_the_log(
    authority: Authority, clients: Authority, tmp_path: Path, origin: Origin
) -> None:
    """As it was shown; after a resumption as far as the authorities of `ca` tell."""
    between = Authority("between", clients)
    issued = between.issue("me.example")
    mine = issued.write(tmp_path, "me")
    Path(mine[0]).write_bytes(issued.cert + between.cert)
    cert, key = authority.issue("a.example").write(tmp_path, "a")
    (tmp_path / "root.ca").write_bytes(clients.cert)
    (tmp_path / "both.ca").write_bytes(clients.cert + between.cert)
    chain = b":" + b64encode(between.x.public_bytes(Encoding.DER)) + b":"
    wanted = {"Client-Cert-Chain": "{tls.client.chain}"}
    route = route_to(
        upstream(origin.address), steps=(Step(policy("headers", request={"set": wanted})),)
    )
    for ca, again in (("root.ca", b""), ("both.ca", chain)):
        client = {"mode": "require", "ca": ca}
        log = {
            "fields": [
                "tls.name",
                "tls.version",
                "tls.client.subject",
                "tls.client.fingerprint",
                "tls.client.chain",
            ]
        }
        with https(route, tmp_path, cert=cert, key=key, client=client, log=log) as gw:
            context = trusting(authority, cert=mine)
            with SecureClient(gw.address, context) as c:
                assert c.send(GET).answer().status == 200
                session = c.socket.session
            assert origin.request().value("Client-Cert-Chain") == chain
            said = json.loads(gw.line())
            assert said["tls.client.chain"] == chain.decode()
            assert said["tls.client.fingerprint"] == issued.x.fingerprint(SHA256()).hex()
            assert (said["tls.name"], said["tls.version"]) == ("a.example", "TLSv1.3")
            assert said["tls.client.subject"] == "CN=me.example"
            with SecureClient(gw.address, context, session=session) as c:
                assert c.send(GET).answer().status == 200
                assert c.socket.session_reused
            assert origin.request().value("Client-Cert-Chain") == again
            assert json.loads(gw.line()).get("tls.client.chain", "") == again.decode()


# -- sessions ----------------------------------------------------------------------------------


def resumes(
    gw: tuple[str, int],
    authority: Authority,
    first: str,
    then: str,
    at: tuple[str, int] | None = None,
    version: ssl.TLSVersion | None = None,
    cert: tuple[str, str] | None = None,
) -> bool | None:
    """Whether a session that began under one name goes on under another; None: refused."""
    context = trusting(authority, version=version, cert=cert)
    with SecureClient(gw, context, first) as c:
        c.send(get(first)).answer()
        session = c.socket.session
    context.check_hostname = False
    try:
        with SecureClient(at or gw, context, then, session=session) as c:
            status = c.send(get(then)).answer().status
            return c.socket.session_reused if status == 200 else None
    except (ssl.SSLError, EOFError, ConnectionError):
        return None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_stay_within_their_rules(
    version: ssl.TLSVersion,
    authority: Authority,
    clients: Authority,
    tmp_path: Path,
    origin: Origin,
) -> None:
    """CVE-2025-23419: a session of an open name must not open a guarded one."""
    mine = clients.issue("me").write(tmp_path, "me")
    tls = with_admin(authority, clients, tmp_path)
    with https(upstream(origin.address), tmp_path, **tls) as gw:
        at, more = gw.address, {"version": version}
        assert resumes(at, authority, "a.example", "a.example", **more) is True
        assert resumes(at, authority, "a.example", "admin.example", **more) is None
        more["cert"] = mine
        assert resumes(at, authority, "admin.example", "admin.example", **more) is True
        assert resumes(at, authority, "admin.example", "a.example", **more) is False
        assert resumes(at, authority, "a.example", "admin.example", **more) is False


def test_sessions_end_when_the_authority_changes(
    authority: Authority, clients: Authority, tmp_path: Path, origin: Origin
) -> None:
    """Keys of tickets outlive a reload; what was believed before it does not."""
    keys = NodeTickets().keys()
    mine = clients.issue("me").write(tmp_path, "me")
    tls = with_admin(authority, clients, tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "clients.ca").write_bytes(Authority("others").cert)
    (other / "a.pem").write_bytes((tmp_path / "a.pem").read_bytes())
    (other / "a.key").write_bytes((tmp_path / "a.key").read_bytes())
    target = upstream(origin.address)
    with (
        https(target, tmp_path, keys, **tls) as before,
        https(target, tmp_path, keys, **tls) as (same),
        https(target, other, keys, **tls) as after,
    ):
        name = "admin.example"
        assert resumes(before.address, authority, name, name, same.address, cert=mine) is True
        assert resumes(before.address, authority, name, name, after.address, cert=mine) is None
        name = "a.example"
        assert resumes(before.address, authority, name, name, after.address) is True


def test_no_early_data(
    authority: Authority, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        said = s_client(gw.address, "-tls1_3", say=get("a.example"))
        assert "Max Early Data: 0" in said or "Early data was not sent" in said
