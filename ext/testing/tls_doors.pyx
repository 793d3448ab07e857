"""Doors into ext/io/tls for tests: the first look at a ClientHello."""

from fastgw.ext.io.tls.hello cimport HELLO_MORE, HELLO_WHOLE, Hello, HelloLook, hello_look


def look(bytes data not None) -> tuple[str, bytes]:
    """("whole" | "more" | "not", name)."""
    cdef Hello hello
    cdef HelloLook found = hello_look(data, len(data), &hello)
    what = "whole" if found == HELLO_WHOLE else "more" if found == HELLO_MORE else "not"
    return what, hello.name[:hello.name_n] if found == HELLO_WHOLE else b""
