"""PipeRelays: bodies from one plain socket to another through a pipe, without copying.

A relay splices into its pipe and out of it, up to a share a turn. It begins to write once
the target's own queue is empty, so a head that was queued before goes out first. The
source's codec is told `on_relayed(moved, done)`: `moved` bytes went out since it was last
told (perhaps none, when the target was found full), and with `done` the relay is over: all
went, the source has ended (`on_eof` or `on_gone` follows) or the target is gone.
"""

from libc.stdint cimport uint32_t, uint64_t
from fastgw.ext.io.stream cimport Relay, Relays, Stream


cdef struct Pipe:
    int ends[2]                 # read end, write end
    size_t size                 # bytes it holds


cdef class PipeRelay(Relay):
    cdef PipeRelays home
    cdef Stream source
    cdef Stream to
    cdef Pipe pipe
    cdef uint64_t left                # bytes still to come from the source
    cdef size_t inside                # bytes in the pipe
    cdef uint64_t moved               # bytes written since the codec was told
    cdef bint braked                  # the target was found full since the codec was told
    cdef bint over                    # nothing more will move
    cdef bint source_ended            # its FIN was met

    cdef bint pull(self) noexcept
    cdef bint push(self) noexcept
    cdef void finish(self) noexcept


cdef class PipeRelays(Relays):
    cdef Pipe spare[16]               # empty pipes
    cdef readonly uint32_t spares     # how many
    cdef readonly uint32_t busy       # pipes in use
    cdef readonly uint32_t most       # of them at once: each is two descriptors
    cdef readonly uint64_t begun
    cdef readonly uint64_t held       # bytes in all of them

    cdef bint take(self, Pipe* pipe) noexcept
    cdef void give_back(self, Pipe* pipe, bint empty) noexcept
