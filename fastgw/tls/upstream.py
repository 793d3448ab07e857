"""An upstream's `tls:` map, checked and turned into what `ext/io/tls/client.pyx` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastgw.config.tls import UpstreamTls
from fastgw.ext.io.tls.certificate import inspect
from fastgw.ext.io.tls.context import check_settings
from fastgw.ext.io.tls.pem import TlsFileError
from fastgw.tls.files import FileError, Say, TlsFiles
from fastgw.tls.settings import resolved

CODES = {"mismatch": "FGW303", "encrypted": "FGW305"}


def upstream_options(tls: UpstreamTls, base: Path, say: Say) -> dict[str, Any] | None:
    """The options of an upstream's https servers; None after saying all that is wrong."""
    files = TlsFiles(base)
    wrong = 0

    def problem(where: str, code: str, message: str) -> None:
        nonlocal wrong
        wrong += 1
        say((where,) if where else (), code, message)

    def read(where: str) -> str:
        text = getattr(tls, where)
        try:
            return files.add(text) if text else ""
        except FileError as e:
            problem(where, "FGW302", str(e))
            return ""

    ca, crl, cert, key = (read(where) for where in ("ca", "crl", "cert", "key"))
    if tls.crl and not tls.ca:
        problem("crl", "FGW306", "'crl' needs 'ca', whose list it is")
    if tls.key and not tls.cert:
        problem("key", "FGW306", "'key' needs 'cert'")
    if wrong:
        return None
    settings = resolved(dict(tls), server=False)
    settings |= {"ca": ca, "crl": crl, "insecure_skip_verify": tls.insecure_skip_verify}
    try:
        check_settings(settings, files, False)
    except TlsFileError as e:
        problem("ca", "FGW302", f"{files.paths[ca]}: {e}")
    except (ValueError, OSError) as e:
        problem("", "FGW306", str(e))
    if cert:
        try:
            inspect(files[cert], files[key or cert])
        except TlsFileError as e:
            path = files.paths[(key or cert) if e.about_key else cert]
            problem("cert", CODES.get(e.kind, "FGW302"), f"{path}: {e}")
    if wrong:
        return None
    return {
        "settings": settings,
        "cert": cert,
        "key": key or cert,
        "sni": tls.sni or "",
        "names": tls.names or [],
        "files": files.paths,
    }
