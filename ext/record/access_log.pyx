"""The access log; see access_log.pxd."""

cimport cython
from libc.stddef cimport size_t
from fastgw.ext.record.log_options import read_options


@cython.final
cdef class AccessLog(Recorder):
    """See access_log.pxd. `options` are those of log_options.py."""

    def __init__(self, LineSink sink not None, options, Recorder following=None) -> None:
        self.sink = sink
        self.following = following
        self.set_options(options)

    def set_options(self, options) -> None:
        """Use other options from the next line on; ValueError changes nothing."""
        read = read_options(options)
        rules = LogRules(read)
        self.format = LineFormat(read)
        self.rules = None if rules.everything else rules

    def flush(self) -> None:
        """Hand on what waits, as far as it is taken."""
        self.sink.flush()

    cdef void record(self, Exchange x) noexcept:
        """Write a line, if one is wanted and there is room."""
        cdef char* begin
        cdef char* end = NULL
        cdef size_t room
        if self.rules is None or self.rules.wants(x):
            begin = self.sink.reserve(&room)
            if begin != NULL:
                end = self.format.put_line(begin, room, x)
            if end != NULL:
                self.sink.commit(end - begin)
            else:
                self.sink.drop()
        if self.following is not None:
            self.following.record(x)
