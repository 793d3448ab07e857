"""RE2; see regex.pxd."""

cimport cython
from fastgw.ext.base.span cimport span

cdef extern from "route/re2_shim.h" nogil:
    void* fgw_re2_new(const char* pattern, size_t n, char* error, size_t room)
    void fgw_re2_free(void* re)
    int fgw_re2_groups(const void* re)
    int fgw_re2_group(const void* re, const char* name, size_t n)
    const char* fgw_re2_group_name(const void* re, int i)
    bint fgw_re2_match(
        const void* re, const char* p, size_t n, bint whole, Part* parts, int count
    )
    void* fgw_set_new(size_t memory)
    void fgw_set_free(void* set)
    int fgw_set_add(void* set, const char* pattern, size_t n)
    int fgw_set_compile(void* set)
    void* fgw_job_begin(const char* strings, const Row* rows, size_t n, size_t memory)
    int fgw_job_state(const void* job)
    void* fgw_job_take(void* job)
    void fgw_job_drop(void* job)
    int fgw_set_match(const void* set, const char* p, size_t n, const int** found)

cdef enum:
    ERROR_BYTES = 256           # of what RE2 says about a bad pattern
    SET_BYTES = 8388608         # memory that every set may use
    PATTERN_BYTES = 32768       # more for each pattern in it


# -- for workers -----------------------------------------------------------------------------

cdef void* re_new(Span pattern) noexcept nogil:
    return fgw_re2_new(pattern.p, pattern.n, NULL, 0)


cdef void re_free(void* re) noexcept nogil:
    fgw_re2_free(re)


cdef bint re_find(const void* re, Span text, bint whole, Part* parts, int count) noexcept nogil:
    return fgw_re2_match(re, text.p, text.n, whole, parts, count)


cdef int re_group(const void* re, Span name) noexcept nogil:
    return fgw_re2_group(re, name.p, name.n)


cdef void* set_new(size_t patterns) noexcept nogil:
    return fgw_set_new(SET_BYTES + PATTERN_BYTES * patterns)


cdef void set_free(void* patterns) noexcept nogil:
    fgw_set_free(patterns)


cdef bint set_add(void* patterns, Span pattern) noexcept nogil:
    return fgw_set_add(patterns, pattern.p, pattern.n) == 0


cdef bint set_compile(void* patterns) noexcept nogil:
    return fgw_set_compile(patterns) == 0


cdef void* job_begin(const char* strings, const void* rows, size_t n) noexcept nogil:
    return fgw_job_begin(strings, <const Row*>rows, n, SET_BYTES + PATTERN_BYTES * n)


cdef int job_state(const void* job) noexcept nogil:
    return fgw_job_state(job)


cdef void* job_take(void* job) noexcept nogil:
    return fgw_job_take(job)


cdef void job_drop(void* job) noexcept nogil:
    fgw_job_drop(job)


cdef int set_fitting(const void* patterns, Span text, const int** found) noexcept nogil:
    return fgw_set_match(patterns, text.p, text.n, found)


# -- for Python ------------------------------------------------------------------------------

@cython.final
cdef class Pattern:
    """An RE2 expression over bytes; ValueError says what is wrong with it."""

    def __init__(self, str source not None):
        cdef char error[ERROR_BYTES]
        cdef bytes raw
        if not source.isascii():
            raise ValueError(f"pattern '{source}' is not ASCII (write \\x.. for other bytes)")
        raw = source.encode()
        fgw_re2_free(self.re)
        self.re = fgw_re2_new(<const char*>raw, len(raw), error, ERROR_BYTES)
        if self.re == NULL:
            raise ValueError(f"pattern '{source}': {error.decode('utf-8', 'replace')}")
        self.source = source
        self.groups = fgw_re2_groups(self.re)
        if self.groups > MAX_GROUPS:
            raise ValueError(f"pattern '{source}' has more than {MAX_GROUPS} groups")
        self.names = self.read_names()

    def __dealloc__(self):
        fgw_re2_free(self.re)

    def read_names(self) -> dict[str, int]:
        """Numbers of the named groups."""
        cdef const char* name
        found = {}
        for i in range(1, self.groups + 1):
            name = fgw_re2_group_name(self.re, i)
            if name != NULL:
                found[name.decode()] = i
        return found

    def fullmatch(self, bytes text not None):
        """The whole and the groups, None for those that took no part; None: no match."""
        return self.parts(text, True)

    def search(self, bytes text not None):
        """Like fullmatch, of the first find."""
        return self.parts(text, False)

    cdef list parts(self, bytes text, bint whole):
        cdef Part parts[MAX_GROUPS + 1]
        cdef Span asked = span(<const char*>text, len(text))
        if not re_find(self.re, asked, whole, parts, self.groups + 1):
            return None
        return [
            None if parts[i].p == NULL else parts[i].p[:parts[i].n]
            for i in range(self.groups + 1)
        ]


@cython.final
cdef class PatternSet:
    """The patterns of `sources`, numbered in their order; ValueError when one is wrong, or
    when they are too large to be looked for together."""

    def __init__(self, sources):
        cdef bytes raw
        self.patterns = [Pattern(source) for source in sources]
        fgw_set_free(self.handle)
        self.handle = set_new(len(self.patterns))
        if self.handle == NULL:
            raise MemoryError
        for source in sources:
            raw = source.encode()
            if not set_add(self.handle, span(<const char*>raw, len(raw))):
                raise ValueError(f"pattern '{source}' can't be part of a set")
        if not set_compile(self.handle):
            raise ValueError(f"{len(self.patterns)} patterns are too large together")

    def __dealloc__(self):
        fgw_set_free(self.handle)

    def fullmatches(self, bytes text not None):
        """The numbers of the patterns that the whole text fits; None: can't be told."""
        cdef const int* found = NULL
        cdef int n = set_fitting(self.handle, span(<const char*>text, len(text)), &found)
        return None if n < 0 else [found[i] for i in range(n)]
