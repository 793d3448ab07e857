"""Strategies: messages that are mostly well formed, with a few bytes gone wrong."""

from __future__ import annotations

from hypothesis import strategies as st

METHODS = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"get", b"X-Y", b"M" * 33]
)
TARGETS = st.one_of(
    st.sampled_from(
        [
            b"/",
            b"*",
            b"/a?b=c",
            b"//a/../b",
            b"/%2e%2E/%7e",
            b"http://A.example/x?y",
            b"https://b.example",
            b"/a#b",
            b"/" + b"long" * 60,
            b"/%2f;\\..",
            b"?x",
            b"",
        ]
    ),
    st.text(alphabet="/.%;?abAB25eE", max_size=30).map(lambda t: b"/" + t.encode()),
)
VERSIONS = st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2", b"http/1.1"])
#: Lines whose meaning matters, good and bad.
KNOWN = st.sampled_from(
    [
        b"Host: a.example",
        b"Host: B.example.:80",
        b"host:[::1]",
        b"Host: a b",
        b"Host:",
        b"Content-Length: 5",
        b"Content-Length: 05",
        b"Content-Length: +5",
        b"content-length:0",
        b"Content-Length: 5, 5",
        b"Transfer-Encoding: chunked",
        b"transfer-encoding: Chunked ",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Connection: x-a, upgrade",
        b"Connection: a,,b;c",
        b"Expect: 100-continue",
        b"Expect: x",
        b"TE: trailers, x;q=0.5",
        b"Upgrade: websocket",
        b"Trailer: x",
        b"Cookie: a=b; c=d",
        b"Keep-Alive: timeout=5",
    ]
)
TOKEN = st.text(alphabet="abcxyzABC0189-_!#~", min_size=1, max_size=40).map(str.encode)
VALUE = st.text(alphabet='abc \t,;="\x80\xff', max_size=60).map(lambda t: t.encode("latin-1"))
OTHER = st.tuples(TOKEN, st.sampled_from([b":", b": ", b":\t ", b" :"]), VALUE).map(b"".join)
LINES = st.lists(st.one_of(KNOWN, OTHER), max_size=9)
#: What a mutation puts in.
ODD = st.sampled_from(
    [b"\0", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\x7f", b"\x0b", b"%", b""]
)


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Mostly as it is; sometimes with bytes replaced, put in or cut off."""
    data = draw(whole)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(ODD) + data[at + draw(st.integers(0, 2)) :]
    return data


def head(first: st.SearchStrategy[bytes], host: bytes) -> st.SearchStrategy[bytes]:
    """A first line, field lines, an empty line."""
    return st.tuples(first, LINES, st.booleans()).map(
        lambda t: b"\r\n".join([t[0], *([host] if t[2] and host else []), *t[1], b"", b""])
    )


def requests() -> st.SearchStrategy[bytes]:
    """Request heads."""
    line = st.tuples(METHODS, TARGETS, VERSIONS).map(b" ".join)
    return mutated(head(line, b"Host: a.example"))


def responses() -> st.SearchStrategy[bytes]:
    """Response heads."""
    line = st.tuples(
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0"]),
        st.sampled_from(
            [b"200 OK", b"204 ", b"304 Not Modified", b"100 Continue", b"200", b"99 x"]
        ),
    ).map(b" ".join)
    return mutated(head(line, b""))


CHUNK = st.tuples(
    st.binary(max_size=30),
    st.sampled_from([b""] * 6 + [b";a", b";a=b", b';a="b\\"c"', b" ", b";"]),
).map(lambda t: b"%x" % len(t[0]) + t[1] + b"\r\n" + t[0] + b"\r\n" if t[0] else b"")
TRAILERS = st.lists(st.one_of(OTHER, KNOWN), max_size=3).map(
    lambda lines: b"".join(line + b"\r\n" for line in lines)
)


def chunked_bodies() -> st.SearchStrategy[bytes]:
    """Chunked bodies with what follows them."""
    return mutated(
        st.tuples(
            st.lists(CHUNK, max_size=5).map(b"".join),
            st.just(b"0\r\n"),
            TRAILERS,
            st.just(b"\r\n"),
            st.sampled_from([b"", b"GET / HTTP/1.1\r\n"]),
        ).map(b"".join)
    )
