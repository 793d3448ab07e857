"""What policies' tests need besides the fakes: a client with an address, odd policies."""

from ipaddress import ip_address
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.exchange.contract cimport (
    HOOK_ATTEMPT, HOOK_REQUEST, V_CONTINUE, V_FAILED, V_SUSPEND, Attempt, Exchange, Policy,
    Verdict,
)
from fastgw.ext.io.stream cimport Facts

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET, AF_INET6, AF_UNIX


cdef class ClientIs(Policy):
    """Stands first in a chain and says who the client is, as a listener would have."""
    cdef Facts facts

    def __init__(self, address: str, port: int = 40000):
        cdef bytes packed, text = address.encode("ascii")
        self.name = self.kind = "client_is"
        self.hooks = 1 << HOOK_REQUEST
        memset(&self.facts, 0, sizeof(Facts))
        memcpy(self.facts.client.text, <const char*>text, len(text))
        self.facts.client.text_n = len(text)
        if address == "unix":
            self.facts.client.family = AF_UNIX
            return
        ip = ip_address(address)
        packed = ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed
        memcpy(self.facts.client.ip, <const char*>packed, 16)
        self.facts.client.family = AF_INET6 if ip.version == 6 else AF_INET
        self.facts.client.port = port

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        x.facts = &self.facts
        return V_CONTINUE


cdef class HidesFields(Policy):
    """Removes every field of the request from what one attempt sends."""

    def __init__(self):
        self.name = self.kind = "hides"
        self.hooks = 1 << HOOK_ATTEMPT

    cdef Verdict on_attempt(self, Exchange x, void* slot, Attempt a) except V_FAILED:
        cdef size_t n = x.request.fields.n // 8 + 1
        if a.hidden == NULL:
            a.hidden = <uint8_t*>arena_alloc(&x.arena, n)
        memset(a.hidden, 0xFF, n)
        return V_CONTINUE


cdef class SuspendsWithoutTicket(Policy):
    """Breaks the contract."""

    def __init__(self):
        self.name = self.kind = "ticketless"
        self.hooks = 1 << HOOK_REQUEST

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        return V_SUSPEND
