"""Many certificates: how long a gateway with them takes to start, and one of them to be renewed.

`FASTGW_SOAK=full python -m pytest -s tests/tls/test_many.py` takes 10,000 of them, prints the
figures and holds them to their bars: for a machine that does nothing else.
"""

from __future__ import annotations

import ssl
import statistics
import time
from pathlib import Path

from fastgw.ext.io.tls.self_signed import make_self_signed
from tests.process.sizes import FULL, size
from tests.scenario.origin import Origin
from tests.tls.kit import SecureClient
from tests.tls.test_process import addresses, config, run

CERTIFICATES = size(200, 10_000)
RENEWALS = size(2, 9)
START_S, RENEWAL_MS = 2.0, 50.0


def write(folder: Path, i: int, days: int = 30) -> bytes:
    """Put the i-th certificate into the place of the one before; its DER."""
    certificate, key = make_self_signed([f"n{i}.example", f"www.n{i}.example"], days)
    new = folder / "new"
    new.write_bytes(certificate + key)
    new.replace(folder / f"{i}.pem")
    return ssl.PEM_cert_to_DER_cert(certificate.decode())


def shown(at: tuple[str, int], i: int) -> bytes:
    """The i-th certificate, as a client gets it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with SecureClient(at, context, f"www.n{i}.example") as c:
        return c.socket.getpeercert(binary_form=True) or b""


def test_start_and_renewal(tmp_path: Path, origin: Origin) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    held = [write(folder, i) for i in range(CERTIFICATES)]
    file = config(tmp_path, origin, "{certificates: ['certificates/*.pem']}")
    begin_s = time.monotonic()
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        start_s = time.monotonic() - begin_s
        assert shown(at, CERTIFICATES - 1) == held[-1]
        took_ms = []
        for days in range(31, 31 + RENEWALS):
            fresh = write(folder, 7, days)
            told = gateway.wait_for(r"certificate files: 1 renewed after (\d+) ms")
            took_ms.append(float(told[1]))
            assert shown(at, 7) == fresh
        assert shown(at, 8) == held[8]
    renewal_ms = statistics.median(took_ms)
    print(
        f"\n{CERTIFICATES} certificates: start {start_s:.2f} s, renewal of one "
        f"{renewal_ms:.0f} ms (median of {RENEWALS}: {sorted(took_ms)})"
    )
    if FULL:
        assert start_s < START_S, start_s
        assert renewal_ms < RENEWAL_MS, took_ms
