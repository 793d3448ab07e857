"""Which exchanges get a line; see log_rules.pxd."""

import os
cimport cython
from libc.string cimport memcmp, memset
from fastgw.ext.base.reasons cimport REASONS
from fastgw.ext.base.reasons import REASON_TABLE
from fastgw.ext.base.span cimport span, span_eq

#: A threshold that every draw is below.
cdef uint64_t WHOLE = <uint64_t>1 << 32


cdef bint _equals_any(const AnyOf* any_of, Span s) noexcept nogil:
    cdef int i
    for i in range(any_of.n):
        if span_eq(any_of.texts[i], s):
            return True
    return any_of.n == 0


cdef bint _begins_any(const AnyOf* any_of, Span s) noexcept nogil:
    cdef int i
    for i in range(any_of.n):
        if s.n >= any_of.texts[i].n and memcmp(s.p, any_of.texts[i].p, any_of.texts[i].n) == 0:
            return True
    return any_of.n == 0


cdef inline bint _has_reason(const LogRule* r, int reason) noexcept nogil:
    return (r.reasons[0] | r.reasons[1]) == 0 or (r.reasons[reason >> 6] >> (reason & 63)) & 1


cdef bint _holds(const LogRule* r, Exchange x) noexcept:
    """Whether all conditions of a rule hold."""
    return (
        r.status_from <= x.response.status <= r.status_to
        and (r.slower_us == 0 or x.times.end - x.times.begin > r.slower_us)
        and _has_reason(r, x.reason)
        and _equals_any(&r.routes, x.route_name) and _equals_any(&r.methods, x.request.method)
        and _begins_any(&r.paths, x.request.path)
    )


cdef bint _holds_pass(const LogRule* r, int why, int64_t took_us) noexcept:
    """The same for a connection that was carried: it has no route, method or path, and its
    status is 0."""
    return (
        r.status_from == 0 and r.routes.n == r.methods.n == r.paths.n == 0
        and (r.slower_us == 0 or took_us > r.slower_us) and _has_reason(r, why)
    )


cdef int _set_reasons(LogRule* r, names) except -1:
    """A bit for each named reason; `any` is all of them."""
    cdef int i
    numbers = {row[0]: i for i, row in enumerate(REASON_TABLE, 1)}
    assert REASONS <= 128
    for name in names:
        if name not in numbers and name != "any":
            raise ValueError(f"reason: there is none that is called '{name}'")
        for i in numbers.values() if name == "any" else (numbers[name],):
            r.reasons[i >> 6] |= <uint64_t>1 << (i & 63)
    return 0


@cython.final
cdef class LogRules:
    """See log_rules.pxd. `options` is a log_options.LogFormat."""

    def __init__(self, options) -> None:
        self.kept = []
        memset(self.keeps, 0, sizeof(self.keeps))
        memset(self.skips, 0, sizeof(self.skips))
        for rule in options.keep:
            self.set_rule(&self.keeps[self.keeps_n], rule)
            self.keeps_n += 1
        for rule in options.skip:
            self.set_rule(&self.skips[self.skips_n], rule)
            self.skips_n += 1
        self.threshold = <uint64_t>(options.sample * WHOLE)
        self.dice = int.from_bytes(os.urandom(8), "little") | 1

    cdef int set_rule(self, LogRule* to, rule) except -1:
        """Lower a rule; its lists may be NAMES long."""
        to.status_from, to.status_to = rule.status
        to.slower_us = rule.slower_us
        _set_reasons(to, rule.reasons)
        self.set_names(&to.routes, "route", rule.routes)
        self.set_names(&to.methods, "method", rule.methods)
        self.set_names(&to.paths, "path", rule.paths)
        return 0

    cdef int set_names(self, AnyOf* to, str what, tuple names) except -1:
        cdef bytes name
        if len(names) > NAMES:
            raise ValueError(f"{what}: more than {NAMES} in one condition")
        for name in names:
            self.kept.append(name)
            to.texts[to.n] = span(<const char*>name, len(name))
            to.n += 1
        return 0

    @property
    def everything(self) -> bool:
        """Whether every exchange gets a line, so that nobody has to ask."""
        return self.threshold >= WHOLE and self.skips_n == 0

    cdef bint wants(self, Exchange x) noexcept:
        """Whether an exchange gets a line."""
        cdef int i
        for i in range(self.keeps_n):
            if _holds(&self.keeps[i], x):
                return True
        for i in range(self.skips_n):
            if _holds(&self.skips[i], x):
                return False
        return self.threshold >= WHOLE or self.draw() < self.threshold

    cdef bint wants_pass(self, Reason why, int64_t took_us) noexcept:
        """Whether a connection that was carried gets a line."""
        cdef int i
        for i in range(self.keeps_n):
            if _holds_pass(&self.keeps[i], why, took_us):
                return True
        for i in range(self.skips_n):
            if _holds_pass(&self.skips[i], why, took_us):
                return False
        return self.threshold >= WHOLE or self.draw() < self.threshold

    cdef uint64_t draw(self) noexcept:
        """A number below 2^32 (xorshift64*)."""
        self.dice ^= self.dice >> 12
        self.dice ^= self.dice << 25
        self.dice ^= self.dice >> 27
        return (self.dice * <uint64_t>0x2545F4914F6CDD1D) >> 32
