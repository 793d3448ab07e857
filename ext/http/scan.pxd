"""Byte scans and classes of heads (scan.h): never outside of [p, end)."""

from libc.stddef cimport size_t


cdef extern from "http/scan.h" nogil:
    enum:
        TOKEN "FASTGW_TOKEN"              # tchar, RFC 9110 section 5.6.2
        HOST "FASTGW_HOST"                # a label of a host name
        UPPER "FASTGW_UPPER"              # A-Z
        HEX "FASTGW_HEX"                  # HEXDIG, either case
        UNRESERVED "FASTGW_UNRESERVED"    # RFC 3986 section 2.3
    # Whether a byte is of a class.
    bint is_class "fastgw_is" (char c, int which)
    # Whether [p, p+n) is a token.
    bint is_token "fastgw_is_token" (const char* p, size_t n)
    # The same, faster: bytes up to `end` may be read, which is p + n or further on.
    bint is_token_before "fastgw_is_token_before" (const char* p, size_t n, const char* end)
    # The classes of a byte, as bits.
    int classes "fastgw_classes_of" (char c)
    # Value of a hexadecimal digit; -1 for any other byte.
    int hex_value "fastgw_hex" (char c)
    # First byte that is a control (but not HTAB) or DEL.
    const char* scan_ctl "fastgw_scan_ctl" (const char* p, const char* end)
    # First ':' or byte up to and including SP.
    const char* scan_colon "fastgw_scan_colon" (const char* p, const char* end)
    # First byte that no request target holds.
    const char* scan_target "fastgw_scan_target" (const char* p, const char* end)
    # The same, or the first '?'; `odd`: the path before it is for the path rule to look at.
    const char* scan_path "fastgw_scan_path" (const char* p, const char* end, int* odd)
    # Whether [p, p+n) is `low` (letters, digits, '-') but for case; a token or a value
    # without controls only.
    bint name_eq "fastgw_name_eq" (const char* p, const char* low, size_t n)
