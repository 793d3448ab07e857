"""Renewal: certificate files that were renewed are taken up without compiling anything.

A plan names files by the digests of what they held when it was compiled. Where a certificate
was replaced by one for the same names, with the same kind of key and no earlier end, nothing
of the plan changes: workers are handed the new content under the old digest. Everything else,
also a file that can't be used, is left to a reload, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastgw.ext.io.tls.certificate import inspect
from fastgw.ext.io.tls.pem import TlsFileError
from fastgw.tls.bundle import Bundle
from fastgw.tls.files import FileError, read_regular

#: Digests by the part of a certificate: cert, key, ocsp.
Row = Mapping[str, str]


class NotRenewable(Exception):
    """What has changed needs a reload; the text says why, for the log."""


def renewed(
    bundle: Bundle, options: Iterable[Mapping[str, Any]], changed: Iterable[str]
) -> dict[str, bytes]:
    """The new content of `changed` files by the digests that they keep; empty: they are as they
    were. `options`: every `tls` map of the plan."""
    maps = list(options)
    paths = set(changed)
    known = {path for one in maps for path in one.get("files", {}).values()}
    if not paths <= known:
        raise NotRenewable("there are other files than before")
    content = _read(bundle, maps, paths)
    if content and not sum(_check(one, bundle, content) for one in maps):
        raise NotRenewable("more than certificates has changed")
    return content


def _read(bundle: Bundle, maps: list[Mapping[str, Any]], paths: set[str]) -> dict[str, bytes]:
    """Digest -> content of the files that hold something else now."""
    found: dict[str, bytes] = {}
    owners: dict[str, str] = {}
    for one in maps:
        for key, path in one.get("files", {}).items():
            if owners.setdefault(key, path) != path and {path, owners[key]} & paths:
                raise NotRenewable(f"{path} and {owners[key]} were the same")
            if path in paths and key not in found:
                content = _content(path)
                if content != bundle[key]:
                    found[key] = content
    return found


def _content(path: str) -> bytes:
    """What a file holds."""
    try:
        return read_regular(path)
    except FileError as e:
        raise NotRenewable(str(e)) from None


def _check(options: Mapping[str, Any], bundle: Bundle, content: Mapping[str, bytes]) -> bool:
    """Whether a `tls` map has some of the content; NotRenewable unless all it has of it are
    certificates that may take the place of the old ones."""
    mine = content.keys() & options.get("files", {}).keys()
    rows: list[Row] = options.get("certificates", [])
    touched = [i for i, row in enumerate(rows) if not mine.isdisjoint(row.values())]
    covered = {key for i in touched for key in rows[i].values()}
    if mine - covered:
        raise NotRenewable("more than certificates has changed")
    if touched:
        serving = {i for _, indexes in options["names"].values() for i in indexes}
        serving |= set(options["default"][1])
        if len(serving) < len(rows):
            raise NotRenewable("several certificates are for the same name")
    for i in touched:
        _compare(rows[i], bundle, content)
    return bool(mine)


def _compare(row: Row, bundle: Bundle, content: Mapping[str, bytes]) -> None:
    """Whether a certificate may take the place of the one before it."""
    old = inspect(bundle[row["cert"]], bundle[row["key"]])
    try:
        new = inspect(*(content.get(row[part]) or bundle[row[part]] for part in ("cert", "key")))
    except TlsFileError as e:
        raise NotRenewable(str(e)) from None
    if sorted(new["names"]) != sorted(old["names"]) or new["kind"] != old["kind"]:
        raise NotRenewable("a certificate is for other names, or has another kind of key")
    if new["begins_s"] > 0 or new["ends_s"] < old["ends_s"]:
        raise NotRenewable("a certificate ends earlier than the one before it, or begins later")
