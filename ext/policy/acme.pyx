"""Challenges of certificate authorities; see acme.pxd."""

import os
import stat
from libc.string cimport memcmp
from fastgw.ext.base.arena cimport arena_copy
from fastgw.ext.base.reasons cimport REASON_FIXED_REPLY, REASON_MEMORY
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.exchange.contract cimport (
    HOOK_REQUEST, V_CONTINUE, V_FAILED, V_RESPOND, Exchange, Verdict,
)
from fastgw.ext.http.head cimport M_GET, M_HEAD, fields_append
from fastgw.ext.http.names cimport NAME_CONTENT_TYPE
from fastgw.ext.policy.options import only

cdef enum:
    PREFIX_BYTES = 28
    TOKEN_MOST = 128
    CONTENT_MOST = 4096

cdef const char* _PREFIX = b"/.well-known/acme-challenge/"


cdef class AcmePolicy(Policy):
    """See acme.pxd. Options: {"folder": an absolute path}."""

    def __init__(self, name: str, options: dict):
        only(options, ("folder",), "acme_challenge")
        self.name = name
        self.kind = "acme_challenge"
        self.hooks = 1 << HOOK_REQUEST
        if not isinstance(options.get("folder"), str) or not options["folder"].startswith("/"):
            raise ValueError("folder: expected an absolute path")
        self.folder = options["folder"]

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        cdef Span path = x.request.path
        cdef Span body
        cdef bytes found
        if (
            path.n <= PREFIX_BYTES or memcmp(path.p, _PREFIX, PREFIX_BYTES) != 0
            or x.request.method_id not in (M_GET, M_HEAD)
        ):
            return V_CONTINUE
        found = self.content(path.p + PREFIX_BYTES, path.n - PREFIX_BYTES)
        x.reply.status = 200 if found else 404
        x.reply.reason = REASON_FIXED_REPLY
        if not found:
            return V_RESPOND
        body = arena_copy(&x.arena, found, len(found))
        if body.p == NULL or fields_append(
            &x.reply.fields, &x.arena, NAME_CONTENT_TYPE, span(b"Content-Type", 12),
            span(b"text/plain", 10),
        ) == NULL:
            x.reply.reason = REASON_MEMORY
            return V_RESPOND
        x.reply.body = body
        x.reply.plain = True
        return V_RESPOND

    cdef bytes content(self, const char* token, size_t n):
        """What the token's file holds; None where there is none that may be shown."""
        cdef size_t i
        if n > TOKEN_MOST:
            return None
        for i in range(n):
            if not (48 <= token[i] <= 57 or 65 <= token[i] <= 90 or 97 <= token[i] <= 122
                    or token[i] in (45, 95)):
                return None
        return read_small(os.path.join(self.folder, token[:n].decode("ascii")))


def read_small(path: str) -> bytes | None:
    """A regular file of a few KiB, whole; a link out of the folder is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > CONTENT_MOST:
            return None
        return os.read(fd, CONTENT_MOST)
    except OSError:
        return None
    finally:
        os.close(fd)
