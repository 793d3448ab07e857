"""Allow and deny lists; see ip.pxd."""

from fastgw.ext.base.networks cimport Networks
from fastgw.ext.base.reasons cimport REASON_IP_DENIED
from fastgw.ext.exchange.contract cimport (
    HOOK_REQUEST, V_CONTINUE, V_FAILED, V_RESPOND, Exchange, Verdict,
)
from fastgw.ext.policy.options import only

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_UNIX

#: The entry that stands for clients of unix sockets, which have no address.
UNIX = "unix"


def parse_list(options: dict, key: str) -> list[str]:
    """One list of networks."""
    entries = options.get(key) or []
    if not isinstance(entries, (list, tuple)):
        raise ValueError(f"{key}: expected a list of networks")
    for entry in entries:
        if not isinstance(entry, str):
            raise ValueError(f"{key}: {entry!r} is not an IP address or network")
    return list(entries)


cdef class IpPolicy(Policy):
    """See ip.pxd."""

    def __init__(self, name: str, options: dict):
        only(options, ("allow", "deny"), "ip")
        allow, deny = parse_list(options, "allow"), parse_list(options, "deny")
        if not allow and not deny:
            raise ValueError("ip: names nobody; give it allow or deny")
        self.name = name
        self.kind = "ip"
        self.hooks = 1 << HOOK_REQUEST
        self.has_allow = bool(allow)
        self.allow_unix = UNIX in allow
        self.deny_unix = UNIX in deny
        self.allow = self.networks("allow", allow)
        self.deny = self.networks("deny", deny)

    def networks(self, key: str, entries: list[str]) -> Networks:
        """The networks of a list, without the entry for unix sockets."""
        try:
            return Networks([entry for entry in entries if entry != UNIX])
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        if self.admits(x):
            return V_CONTINUE
        x.reply.reason = REASON_IP_DENIED
        return V_RESPOND

    cdef bint admits(self, Exchange x) noexcept:
        """Whether the client may go on; exchanges of the gateway's own have no client."""
        if x.facts == NULL:
            return True
        if x.facts.client.family == AF_UNIX:
            return not self.deny_unix and (self.allow_unix or not self.has_allow)
        if self.deny.contains(x.facts.client.ip):
            return False
        return not self.has_allow or self.allow.contains(x.facts.client.ip)
