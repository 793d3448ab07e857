"""Lines of connections that were carried; see pass_log.pxd."""

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from fastgw.ext.base.reasons cimport decider_name, reason_row
from fastgw.ext.record.log_line cimport LineFormat
from fastgw.ext.record.log_values cimport (
    L_CLIENT, L_CLIENT_PORT, L_CONNECT_MS, L_DECIDED_BY, L_ENDPOINT, L_HOST, L_PEER, L_PROTOCOL,
    L_REASON, L_REQUEST_BYTES, L_RESPONSE_BYTES, L_STATUS, L_TIME_S, L_TLS, L_TOTAL_MS, L_TRIES,
    L_UPSTREAM, V_ABSENT, V_NUMBER, V_US, always_text, find_client, find_time, set_number,
    some_text,
)
from fastgw.ext.io.tls.identity cimport TLS_NAME
from libc.string cimport strlen


@cython.final
cdef class PassLog(PassRecorder):
    """See pass_log.pxd."""

    def __init__(self, AccessLog log not None, Shared shared not None) -> None:
        self.log, self.shared = log, shared

    cdef void record(self, Pass p) noexcept:
        """Write a line, if one is wanted and there is room."""
        cdef LineFormat f = self.log.format
        cdef LogValue v
        cdef size_t room
        cdef char* begin
        cdef char* at
        cdef char* end
        cdef int i
        if self.log.rules is not None and not self.log.rules.wants_pass(
            p.why, p.accepted.engine.now_us - p.begun_us
        ):
            return
        begin = at = self.log.sink.reserve(&room)
        if begin == NULL:
            self.log.sink.drop()
            return
        end = f.last_of(begin, room)
        for i in range(f.n):
            v.kind, v.text.n, v.more.n = V_ABSENT, 0, 0
            if f.pieces[i].field >= 0:
                self.find(&v, &f.pieces[i], p)
            at = f.put_piece(at, end, &f.pieces[i], &v)
            if at == NULL:
                self.log.sink.drop()
                return
        self.log.sink.commit(f.put_end(begin, at) - begin)

    cdef void find(self, LogValue* v, const LogPiece* piece, Pass p) noexcept:
        """The value of a field."""
        cdef int field = piece.field
        cdef int64_t now_us = p.accepted.engine.now_us
        cdef const char* name
        if field <= L_TIME_S:
            find_time(v, field, self.shared)
        elif field == L_CLIENT or field == L_CLIENT_PORT or field == L_PEER:
            find_client(v, field, p.accepted.facts)
        elif field == L_HOST or (field == L_TLS and piece.id == TLS_NAME):
            some_text(v, <const char*>p.asked, len(p.asked))
        elif field == L_PROTOCOL:
            always_text(v, b"passthrough", 11)
        elif field == L_STATUS:
            set_number(v, V_NUMBER, 0)
        elif field == L_REASON:
            always_text(v, reason_row(p.why).name, reason_row(p.why).name_n if p.why else 0)
        elif field == L_DECIDED_BY:
            name = decider_name(reason_row(p.why).decided_by if p.why else 0)
            always_text(v, name, strlen(name))
        elif field == L_UPSTREAM:
            some_text(v, <const char*>p.acceptor.label, len(p.acceptor.label))
        elif field == L_ENDPOINT:
            some_text(v, <const char*>p.where, len(p.where))
        elif field == L_TRIES:
            set_number(v, V_NUMBER, p.tries)
        elif field == L_REQUEST_BYTES:
            set_number(v, V_NUMBER, p.bytes_in)
        elif field == L_RESPONSE_BYTES:
            set_number(v, V_NUMBER, p.bytes_out)
        elif field == L_CONNECT_MS and p.opened_us:
            set_number(v, V_US, p.opened_us - p.tried_us)
        elif field == L_TOTAL_MS:
            set_number(v, V_US, now_us - p.begun_us)
