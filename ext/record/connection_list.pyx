"""The client connections of a worker; see connection_list.pxd.

A connection is told apart by when it was accepted, in microseconds of the engine's clock.
All that were accepted in one turn have the same, and are told together.
"""

from libc.stdint cimport int64_t
from fastgw.ext.base.span cimport span_bytes
from fastgw.ext.downstream.h1_ends cimport R_CLOSED, R_HEAD, R_LINGER, R_TUNNEL
from fastgw.ext.io.stream cimport Stream
from fastgw.ext.io.tls.identity cimport TLS_NAME, TLS_VERSION, TlsText, tls_text


def list_connections(connections, passes, names: list[str], after: int, limit: int) -> list:
    """See connection_list.pyi. `names`: of the listeners, by index."""
    cdef H1Ends d
    cdef Pass p
    cdef list found = []
    cdef int64_t since = after
    for d in connections:
        if d.accepted_us > since and d.stream is not None:
            found.append((d.accepted_us, d))
    for p in passes:
        if p.begun_us > since and p.client.stream is not None:
            found.append((p.begun_us, p))
    found.sort(key=_when)
    if len(found) > limit:
        last = found[limit - 1][0]
        found = [row for row in found if row[0] <= last]
    return [_row(one, names) for _, one in found]


def _when(row: tuple) -> int:
    """When a connection was accepted."""
    return row[0]


cdef dict _row(one, list names):
    """One connection."""
    cdef dict row
    if isinstance(one, Pass):
        row = of_pass(<Pass>one)
    else:
        row = of_client(<H1Ends>one)
    index = row["listener"]
    row["listener"] = names[index] if index < len(names) else ""
    return row


cdef dict _of_stream(Stream s, int64_t accepted_us):
    """What is known of any connection."""
    return {
        "id": accepted_us,
        "client": s.facts.client.text[:s.facts.client.text_n].decode("ascii", "replace"),
        "port": s.facts.client.port,
        "listener": s.facts.listener,
        "age_ms": (s.engine.now_us - accepted_us) // 1000,
        "received_bytes": s.bytes_in,
        "sent_bytes": s.bytes_out,
        "tls": _text(s, TLS_VERSION) if s.facts.tls else "",
        "server_name": _text(s, TLS_NAME) if s.facts.tls else "",
    }


cdef str _text(Stream s, TlsText what):
    return span_bytes(tls_text(s.facts, what)).decode("ascii", "replace")


cdef dict of_client(H1Ends d):
    """A connection whose requests are served here."""
    cdef str state = "request"
    if d.state == R_TUNNEL:
        state = "tunnel"
    elif d.state == R_HEAD and d.x is None:
        state = "idle"
    elif d.state == R_LINGER or d.state == R_CLOSED:
        state = "closing"
    row = _of_stream(d.stream, d.accepted_us)
    row["state"], row["requests"] = state, d.served
    row["route"] = ""
    if d.x is not None and d.x.route != NULL:
        row["route"] = span_bytes(d.x.route_name).decode("utf-8", "replace")
    return row


cdef dict of_pass(Pass p):
    """A connection that is carried to a server as it is."""
    row = _of_stream(p.client.stream, p.begun_us)
    row["state"], row["requests"], row["route"] = "passthrough", 0, ""
    row["server_name"] = p.asked.decode("ascii", "replace")
    return row
