"""TlsStream: the Stream contract over TLS.

    T_HELLO -> T_SHAKING -> T_OPEN        a client's connection: its hello is gathered first
    T_IDLE  -> T_SHAKING -> T_OPEN        to an upstream, once the socket is connected

What is written to an upstream before its socket is connected goes out as it is, before TLS: the
PROXY header.

The stream's own queue holds plain bytes, until the turn ends: then they are sealed, as few
records as possible, and all records leave with one sendmsg. What arrives is opened at once,
so nothing but the part of a record that is not whole waits inside OpenSSL.

The codec is told `on_open` when the handshake is done, on both sides. A FIN without a
close_notify before it is a truncation and told as a loss, never as `on_eof`.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t
from fastgw.ext.base.buffers cimport Buffer
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.io.stream cimport Stream
from fastgw.ext.io.tls.hello cimport Hello
from fastgw.ext.io.tls.openssl cimport SSL, X509, X509_STORE, stack_x509
from fastgw.ext.io.tls.wire cimport Wire


cdef enum TlsState:
    T_IDLE                      # not begun
    T_HELLO                     # the ClientHello is awaited; there is no session yet
    T_SHAKING                   # the handshake is under way
    T_OPEN                      # bytes flow


# What `Facts.identity` points to.
cdef struct TlsFacts:
    char* name                  # the name that the client asked for, lower case; or NULL
    size_t name_n
    bint host_bound             # some name of the listener asks for certificates
    bint asks                   # this one does
    void* side                  # the TlsSide (borrowed; the stream holds it)
    char* texts[9]              # of the peer's certificate, by TlsText, once asked for
    bint resumed                # by a ticket
    int version                 # TLS1_2_VERSION, TLS1_3_VERSION
    const char* cipher          # its name, as OpenSSL spells it
    X509* peer                  # the peer's certificate, verified; or NULL
    stack_x509* chain           # what it has shown behind it; NULL after a resumption
    X509_STORE* roots           # whom its certificate was verified by, with `peer`


cdef class TlsSide:
    """What the two sides do differently; server.pxd and client.pxd."""
    cdef bint admits(self, TlsStream s) noexcept
    cdef SSL* begin(self, TlsStream s, const Hello* hello) noexcept
    cdef void finished(self, TlsStream s) noexcept
    cdef Reason failed(self, TlsStream s) noexcept
    cdef bint directs(self, const TlsFacts* t, const char* host, size_t n) noexcept


cdef class TlsStream(Stream):
    cdef TlsSide side
    cdef SSL* ssl                     # NULL before the handshake and after the end
    cdef Wire wire
    cdef TlsFacts tls
    cdef uint8_t state                # TlsState
    cdef object choice                # what the side chose for this connection, until it is open
    cdef Buffer* held                 # T_HELLO: a hello not whole; T_OPEN: bytes not wanted yet
    cdef size_t sealed                # bytes of `queued` that are records
    cdef size_t precounted            # of them, those that `bytes_out` has already
    cdef size_t chatter               # records that nobody asked for since the queue was empty
    cdef bint farewell                # our close_notify is queued
    cdef bint peer_farewell           # the peer's came

    cdef void begin_server(self, TlsSide side) noexcept
    # -- the handshake ----------------------------------------------------------------------
    cdef bint look(self, const char** p, size_t* n) noexcept
    cdef bint hold(self, const char* p, size_t n) noexcept
    cdef bint begin(self, const Hello* hello) noexcept
    cdef bint precede(self) noexcept
    cdef void shake(self) noexcept
    cdef void shaken(self) noexcept
    # -- receiving --------------------------------------------------------------------------
    cdef void take(self, const char* p, size_t n, Buffer* into) noexcept
    cdef void open_records(self, Buffer* into) noexcept
    cdef void deliver(self, char* p, size_t n, Buffer* owner) noexcept
    cdef void deliver_held(self) noexcept
    cdef void end_by_peer(self) noexcept
    # -- writing ----------------------------------------------------------------------------
    cdef bint seal(self) noexcept
    cdef size_t next_record(self, const char** p) noexcept
    cdef void account(self) noexcept
    cdef void drop_plain(self) noexcept
    cdef void say_farewell(self) noexcept
    cdef void fail(self, Reason why) noexcept


cdef TlsStream new_tls_client(TlsSide side)
