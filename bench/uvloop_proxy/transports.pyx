# cython: language_level=3, boundscheck=False, wraparound=False
"""The minimal proxy on uvloop's transports, once for each kind of protocol."""





cdef class Half:
    """One side of a pair: what comes here goes out there."""
    cdef Half other
    cdef object transport
    cdef list early                 # what came before the other side was there

    def connection_made(self, transport):
        self.transport = transport
        if self.other.early is not None:
            for data in self.other.early:
                transport.write(data)
            self.other.early = None

    def connection_lost(self, exc):
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()
        self.other = None

    def pause_writing(self):
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self):
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def eof_received(self):
        return False

    cdef pass_on(self, data):
        if self.other.transport is not None:
            self.other.transport.write(data)
        elif self.early is None:
            self.early = [data]
        else:
            self.early.append(data)


cdef class Plain(Half):
    """asyncio.Protocol: a bytes object for each read."""

    def data_received(self, data):
        self.pass_on(data)


_scratch = bytearray(65536)


cdef class Buffered(Half):
    """asyncio.BufferedProtocol: one buffer for all, so what is written must be a copy."""

    def get_buffer(self, sizehint):
        return _scratch

    def buffer_updated(self, int n):
        self.pass_on(bytes(memoryview(_scratch)[:n]))



def client_of(kind, loop, origin):
    """A factory of clients' protocols, each with its own connection to the origin."""
    make = Buffered if kind == "buffered" else Plain

    def factory():
        cdef Half client = make(), server = make()
        client.other, server.other = server, client
        loop.create_task(loop.create_connection(lambda: server, "127.0.0.1", origin))
        return client

    return factory
