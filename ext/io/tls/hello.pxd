"""A first look at a ClientHello: which name it asks for, before there is a session.

Certificate, versions, client-certificate rules: all hang on the name, and a session that
was begun with one name's settings can't be given another's. So the name is read from the
bytes, and the session begun with the right settings at once. OpenSSL reads the same bytes
afterwards; a name that it understands otherwise ends the handshake (context.pyx).

Whatever is no ClientHello is left to OpenSSL to refuse. No Python here: fuzzers call it.
"""

from libc.stddef cimport size_t


cdef enum:
    HELLO_MOST = 16384          # bytes of a ClientHello, with what frames it; more is refused
    HELLO_NAME_MOST = 255       # bytes of a name


cdef enum HelloLook:
    HELLO_WHOLE                 # all of it is there
    HELLO_MORE                  # more bytes are needed
    HELLO_NOT                   # it is none, or broken, or too long


cdef struct Hello:
    char name[256]              # server_name in lower case, without a dot at its end
    size_t name_n               # 0: none was sent


cdef HelloLook hello_look(const char* p, size_t n, Hello* out) noexcept nogil
