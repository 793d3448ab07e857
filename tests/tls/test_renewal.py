"""Certificates that are renewed while the gateway runs: what a name's new file does."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from fastgw.master.certificates import DEBOUNCE_S, LOOK_S, SHARE, CertificateFiles
from fastgw.master.generation import Generation
from fastgw.master.watcher import facts
from fastgw.named_files import Read, find
from fastgw.tls.bundle import Bundle, files_of, pack_bundle
from fastgw.tls.material import TlsMaterial
from fastgw.tls.renewal import NotRenewable, renewed
from fastgw.tls.tickets import NodeTickets
from tests.process.gateway import DEADLINE_S
from tests.scenario.gateway import upstream
from tests.scenario.origin import Origin
from tests.tls.authority import Authority, Issued
from tests.tls.kit import GET, SecureClient, https, options_of, trusting
from tests.tls.test_process import addresses, config, run, served

Options = dict[str, Any]


def bundle_of(options: Options, later: dict[str, bytes] | None = None) -> Bundle:
    """What a node holds of these options; `later`: what was renewed since."""
    found = files_of([options])
    content = {key: Path(path).read_bytes() for key, path in found.items()}
    return Bundle(pack_bundle(content), Bundle(pack_bundle(later)) if later else None)


def replace(issued: Issued, folder: Path, name: str = "a") -> set[str]:
    """Write a certificate over the one that is there; the files."""
    return set(issued.write(folder, name))


# -- what may be renewed in place ----------------------------------------------------------------


def test_a_new_certificate_for_the_same_names(authority: Authority, tmp_path: Path) -> None:
    replace(authority.issue("a.example"), tmp_path)
    replace(authority.issue("b.example"), tmp_path, "b")
    options = options_of(tmp_path, certificates=["*.pem"])
    before = bundle_of(options)
    files = replace(authority.issue("a.example", ends=60), tmp_path)
    later = renewed(before, [options], files)
    row = options["certificates"][0]
    assert sorted(later) == sorted({row["cert"], row["key"]})
    held = Bundle(before.memory, Bundle(pack_bundle(later)))
    assert held[row["cert"]] == (tmp_path / "a.pem").read_bytes()
    assert held[row["key"]] == (tmp_path / "a.key").read_bytes()
    other = options["certificates"][1]
    assert held[other["cert"]] == (tmp_path / "b.pem").read_bytes()
    assert renewed(held, [options], files) == {}, "as it was"


@pytest.mark.parametrize(
    ("names", "more", "why"),
    [
        (("a.example", "c.example"), {}, "for other names"),
        (("a.example",), {"kind": "rsa"}, "another kind of key"),
        (("a.example",), {"ends": 3}, "ends earlier"),
        (("a.example",), {"begins": 1, "ends": 60}, "begins later"),
    ],
)
def test_what_takes_a_reload(
    names: tuple[str, ...], more: Options, why: str, authority: Authority, tmp_path: Path
) -> None:
    replace(authority.issue("a.example"), tmp_path)
    options = options_of(tmp_path, cert="a.pem")
    before = bundle_of(options)
    files = replace(authority.issue(*names, **more), tmp_path)
    with pytest.raises(NotRenewable, match=why):
        renewed(before, [options], files)


def test_files_that_do_not_belong_together_take_a_reload(
    authority: Authority, tmp_path: Path
) -> None:
    """Half of a renewal is written."""
    replace(authority.issue("a.example"), tmp_path)
    options = options_of(tmp_path, cert="a.pem")
    before = bundle_of(options)
    (tmp_path / "a.pem").write_bytes(authority.issue("a.example", ends=60).cert)
    with pytest.raises(NotRenewable, match="does not belong to the certificate"):
        renewed(before, [options], [str(tmp_path / "a.pem")])
    (tmp_path / "a.pem").unlink()
    with pytest.raises(NotRenewable, match="No such file"):
        renewed(before, [options], [str(tmp_path / "a.pem")])


def test_other_files_take_a_reload(authority: Authority, tmp_path: Path) -> None:
    """An authority decides who gets in, and sessions are bound to it."""
    replace(authority.issue("a.example"), tmp_path)
    (tmp_path / "ca.pem").write_bytes(authority.cert)
    options = options_of(tmp_path, cert="a.pem", client={"mode": "require", "ca": "ca.pem"})
    before = bundle_of(options)
    (tmp_path / "ca.pem").write_bytes(Authority().cert)
    with pytest.raises(NotRenewable, match="more than certificates"):
        renewed(before, [options], [str(tmp_path / "ca.pem")])
    with pytest.raises(NotRenewable, match="other files than before"):
        renewed(before, [options], [str(tmp_path / "new.pem")])


def test_a_name_with_two_certificates_of_a_kind_takes_a_reload(
    authority: Authority, tmp_path: Path
) -> None:
    """Which of the two counts may change."""
    replace(authority.issue("a.example"), tmp_path)
    replace(authority.issue("a.example", ends=20), tmp_path, "b")
    options = options_of(tmp_path, certificates=["*.pem"])
    before = bundle_of(options)
    files = replace(authority.issue("a.example", ends=60), tmp_path, "b")
    with pytest.raises(NotRenewable, match="several certificates"):
        renewed(before, [options], files)


def test_copies_of_a_file_are_renewed_one_by_one(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue("a.example", "b.example")
    replace(issued, tmp_path)
    replace(issued, tmp_path, "b")
    entries = [{"cert": "a.pem", "names": ["a.example"]}, {"cert": "b.pem", "names": ["b.example"]}]
    options = options_of(tmp_path, certificates=entries)
    fresh = authority.issue("a.example", "b.example", ends=60)
    before = bundle_of(options)
    later = renewed(before, [options], replace(fresh, tmp_path, "b"))
    one, other = (row["cert"] for row in options["certificates"])
    assert (before[one], later[other]) == (issued.cert, fresh.cert)
    assert one not in later


# -- what clients get ----------------------------------------------------------------------------


def test_workers_take_up_what_was_renewed(
    authority: Authority, tmp_path: Path, origin: Origin
) -> None:
    """The certificate of a name that was parsed already; connections that are open go on."""
    replace(authority.issue("a.example"), tmp_path)
    replace(authority.issue("b.example"), tmp_path, "b")
    options = options_of(tmp_path, certificates=["*.pem"])
    before, context = bundle_of(options), trusting(authority)
    with https(upstream(origin.address), tmp_path, certificates=["*.pem"]) as gw:
        with SecureClient(gw.address, context) as established:
            old = established.certificate["serialNumber"]
            files = replace(authority.issue("a.example", ends=60), tmp_path)
            later = renewed(before, [options], files)
            held = Bundle(before.memory, Bundle(pack_bundle(later)))
            handed = TlsMaterial(held, NodeTickets().keys())
            gw.call(lambda: gw.worker.renew(handed, list(later)))
            assert established.send(GET).answer().status == 200
        with SecureClient(gw.address, context) as c:
            assert c.certificate["serialNumber"] != old
            assert c.send(GET).answer().status == 200
        with SecureClient(gw.address, context, "b.example") as c:
            assert c.names == {"b.example"}


def test_a_renewed_file_is_taken_up_without_being_asked(
    authority: Authority, tmp_path: Path, origin: Origin
) -> None:
    """Every worker, also one that is born later, shows the new one; no generation is made."""
    replace(authority.issue("a.example"), tmp_path)
    file = config(tmp_path, origin, "{cert: a.pem}")
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        fresh = authority.issue("a.example", ends=60)
        replace(fresh, tmp_path)
        took = gateway.wait_for(r"certificate files: 2 renewed after (\d+) ms")
        assert int(took[1]) < 1000, "a handful of milliseconds, and a margin for busy machines"
        shown_by(at, authority, fresh, 8)
        os.kill(gateway.workers()[0], signal.SIGKILL)
        gateway.wait_for("ready after")
        shown_by(at, authority, fresh, 8)
        gateway.signal(signal.SIGHUP)
        gateway.wait_for(r"reload \(HUP\): generation 2 serves")
        shown_by(at, authority, fresh, 4)


def shown_by(at: tuple[str, int], authority: Authority, issued: Issued, n: int) -> None:
    """The gateway shows a certificate, n times in a row, in time."""
    end_s, seen = time.monotonic() + DEADLINE_S, 0
    while seen < n:
        assert time.monotonic() < end_s, "another certificate is shown"
        with SecureClient(at, trusting(authority)) as c:
            right = int(c.certificate["serialNumber"], 16) == issued.x.serial_number
            seen = seen + 1 if right else 0
            assert c.send(GET).answer().status == 200


def test_more_than_a_renewal_is_reloaded(
    authority: Authority, tmp_path: Path, origin: Origin
) -> None:
    """A new file that fits the pattern, and one for other names."""
    replace(authority.issue("a.example"), tmp_path)
    file = config(tmp_path, origin, "{certificates: ['*.pem']}")
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        replace(authority.issue("b.example"), tmp_path, "b")
        gateway.wait_for(r"reload \(certificate files have changed\): generation 2 serves")
        with SecureClient(at, trusting(authority), "b.example") as c:
            assert c.names == {"b.example"}
        replace(authority.issue("a.example", "c.example"), tmp_path)
        gateway.wait_for("certificate files: a certificate is for other names")
        gateway.wait_for(r"reload \(certificate files have changed\): generation 3 serves")
        assert served(at, trusting(authority))[0] == {"a.example", "c.example"}


def test_watching_all_files_renews_too(
    authority: Authority, tmp_path: Path, origin: Origin
) -> None:
    """With --watch a certificate is renewed as without it; a configuration that could not be used
    for a certificate's sake is read again once that is there."""
    replace(authority.issue("a.example"), tmp_path)
    file = config(tmp_path, origin, "{cert: a.pem}")
    with run(tmp_path, str(file), "--workers", "1", "--watch") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        for days in (60, 90):
            replace(fresh := authority.issue("a.example", ends=days), tmp_path)
            gateway.wait_for("certificate files: 2 renewed")
        shown_by(at, authority, fresh, 2)
        write_anew(file, file.read_text().replace("a.pem", "b.pem"))
        gateway.wait_for(r"reload \(a file has changed\): compiling generation 2")
        gateway.wait_for("b.pem: No such file")
        gateway.wait_for("failed: generation 1 goes on")
        replace(other := authority.issue("a.example"), tmp_path, "b")
        gateway.wait_for(r"reload \(a file has changed\): generation \d serves")
        shown_by(at, authority, other, 2)
        replace(fresh := authority.issue("a.example", ends=60), tmp_path, "b")
        gateway.wait_for("certificate files: 2 renewed")
        shown_by(at, authority, fresh, 2)


def write_anew(file: Path, text: str) -> None:
    """Put a file into the place of another one, as editors do."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def test_what_can_not_be_used_leaves_the_running_one(
    authority: Authority, tmp_path: Path, origin: Origin
) -> None:
    issued = authority.issue("a.example")
    replace(issued, tmp_path)
    file = config(tmp_path, origin, "{cert: a.pem}")
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        (tmp_path / "a.pem").write_bytes(authority.issue("a.example", ends=60).cert)
        gateway.wait_for("error master.*a.key.*does not belong to the certificate")
        gateway.wait_for("failed: generation 1 goes on")
        shown_by(at, authority, issued, 2)
        replace(fresh := authority.issue("a.example", ends=90), tmp_path)
        gateway.wait_for("certificate files: 2 renewed")
        shown_by(at, authority, fresh, 2)


# -- looking -------------------------------------------------------------------------------------


def looking(files: list[Path], patterns: list[str] | None = None) -> Any:
    """Somebody who looks at files, and a clock that goes as it is told."""
    names = [str(f) for f in files]
    read = Read({f: facts(f) for f in names}, {one: find(one) for one in patterns or ()})
    generation = Generation(1, -1, 0, files=names, patterns=patterns or [], read=read)
    watch, now_s = CertificateFiles(generation), 100.0

    def rounds(n: int) -> set[str]:
        nonlocal now_s
        found: set[str] = set()
        for _ in range(n):
            now_s += LOOK_S
            found |= watch.changed(now_s)
        return found

    return rounds


def test_changes_are_told_when_they_are_over(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("1")
    b.write_text("1")
    rounds = looking([a, b])
    assert rounds(4) == set()
    a.write_text("22")
    assert rounds(1) == set()
    a.write_text("333")
    assert rounds(1) == set(), "it goes on"
    assert rounds(1 + int(DEBOUNCE_S / LOOK_S)) == {str(a)}
    assert rounds(4) == set(), "told once"
    b.unlink()
    assert rounds(4) == {str(b)}


def test_many_files_are_looked_at_bit_by_bit_but_a_folder_tells(tmp_path: Path) -> None:
    """What is written in place is seen in its turn, what is replaced at once."""
    (tmp_path / "one").mkdir()
    files = [tmp_path / "one" / f"{i}" for i in range(SHARE * 3)]
    for f in files:
        f.write_text("1")
    rounds = looking(files)
    assert rounds(3) == set()
    files[-1].write_text("22")
    assert rounds(2) == set(), "not yet"
    assert rounds(4) == {str(files[-1])}
    other = tmp_path / "other"
    other.write_text("333")
    other.replace(files[-2])
    assert rounds(2) == {str(files[-2])}


def test_a_folder_that_is_switched_by_a_link(tmp_path: Path) -> None:
    """As orchestrators do with mounted secrets."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.pem").write_text(version * 3)
    (tmp_path / "data").symlink_to("1")
    (tmp_path / "a.pem").symlink_to("data/a.pem")
    rounds = looking([tmp_path / "a.pem"])
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").replace(tmp_path / "data")
    assert rounds(4) == {str(tmp_path / "a.pem")}


def test_files_that_come_and_go_by_a_pattern(tmp_path: Path) -> None:
    a, b = tmp_path / "a.pem", tmp_path / "b.pem"
    a.write_text("1")
    rounds = looking([a], [str(tmp_path / "*.pem")])
    b.write_text("1")
    (tmp_path / "c.key").write_text("1")
    assert rounds(4) == {str(b)}
    b.unlink()
    assert rounds(4) == {str(b)}


def test_what_was_written_while_it_was_read_is_looked_at(tmp_path: Path) -> None:
    a = tmp_path / "a"
    a.write_text("1")
    read = Read({str(a): (1, 2, 3)})
    watch = CertificateFiles(Generation(1, -1, 0, files=[str(a)], read=read))
    assert watch.changed(1.0) == set()
    assert watch.changed(2.0) == {str(a)}
