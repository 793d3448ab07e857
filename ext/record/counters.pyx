"""Counters of a worker; see counters.pxd."""

from fastgw.ext.base.reasons cimport REASONS, reason_row
from fastgw.ext.exchange.contract cimport Exchange


cdef class Counters(Recorder):
    """See counters.pxd."""

    def __init__(self, Recorder following=None) -> None:
        assert REASONS <= 128
        self.following = following

    cdef void record(self, Exchange x) noexcept:
        """Count the end of an exchange."""
        cdef int hundreds = x.response.status // 100
        self.statuses[hundreds if 1 <= hundreds <= 5 else 0] += 1
        self.reasons[<int>x.reason] += 1
        self.request_bytes += x.request_bytes
        self.response_bytes += x.response_bytes
        self.tries += x.tries
        if self.following is not None:
            self.following.record(x)

    def snapshot(self) -> dict[str, int]:
        """Every counter that is not zero, by name."""
        named = {f"responses_{i}xx": self.statuses[i] for i in range(1, 6)}
        named["responses_none"] = self.statuses[0]
        for i in range(1, REASONS):
            named["reason_" + reason_row(i).name.decode()] = self.reasons[i]
        named["attempts"] = self.tries
        named["request_bytes"] = self.request_bytes
        named["response_bytes"] = self.response_bytes
        return {name: value for name, value in named.items() if value}
