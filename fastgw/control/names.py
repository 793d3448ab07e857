"""Names of servers, looked up again when their addresses are no longer good.

Each name has a task: it looks the name up, waits as long as the answer holds (between
LEAST_TTL_S and MOST_TTL_S) and looks again. What changed goes to the workers at once. A
name that can't be looked up, or is there no more, keeps its last good addresses; it is asked
for again after a second, then ever later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fastgw.control.resolver import Address, Found, LookupFailed, Resolver
from fastgw.names import Addresses

LEAST_TTL_S, MOST_TTL_S = 1.0, 60.0
#: Between two tries after a failure: at first, and at the most.
RETRY_S, MOST_RETRY_S = 1.0, 15.0
#: Names that are looked up at the same time.
AT_ONCE = 32
#: Changes that come together are told together.
GATHER_S = 0.02

Say = Callable[[str, str], None]
Tell = Callable[[Addresses], None]


@dataclass(slots=True)
class Name:
    """What is known of a name."""

    addresses: tuple[Address, ...] = ()
    #: Why the last lookup failed; empty: it did not.
    error: str = ""
    #: Failures in a row.
    failures: int = 0
    #: When the last good answer came, in seconds since the epoch; 0 = never.
    found_s: float = 0.0
    #: Looked up at least once, with whatever result.
    asked: bool = False


class Names:
    """All names of the running configuration; `tell` gets the addresses of every one that has
    some, whenever something changed."""

    def __init__(self, resolver: Resolver, tell: Tell, say: Say) -> None:
        self.resolver, self.tell, self.say = resolver, tell, say
        self.known: dict[str, Name] = {}
        self.lookups = self.failures = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._answered = asyncio.Event()
        self._telling: asyncio.TimerHandle | None = None

    @property
    def unresolved(self) -> int:
        """Names that have never had an address."""
        return sum(not name.addresses for name in self.known.values())

    def learn(self, addresses: Addresses) -> None:
        """What a control process before this one had found."""
        for host, rows in addresses.items():
            found = tuple((int(family), str(text)) for family, text in rows)
            name = self.known.setdefault(host, Name())
            name.addresses = name.addresses or found

    def watch(self, hosts: Iterable[str]) -> None:
        """Look after these names, and no others."""
        wanted = set(hosts)
        for host in self._tasks.keys() - wanted:
            self._tasks.pop(host).cancel()
        for host in self.known.keys() - wanted:
            del self.known[host]
        self._answered.set()
        for host in sorted(wanted - self._tasks.keys()):
            self.known.setdefault(host, Name())
            self._tasks[host] = asyncio.get_running_loop().create_task(self._keep(host))

    def use(self, resolver: Resolver) -> None:
        """Ask others from now on, and all names anew."""
        self.resolver = resolver
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def stop(self) -> None:
        """Look no more."""
        self.watch(())
        if self._telling is not None:
            self._telling.cancel()

    async def first_answers(self, hosts: Iterable[str]) -> None:
        """Wait until each of these names, which are looked after, has been looked up once."""
        for host in hosts:
            while host in self.known and not self.known[host].asked:
                self._answered.clear()
                await self._answered.wait()
        if self._telling is not None:
            self._telling.cancel()
            self._tell_now()

    async def _keep(self, host: str) -> None:
        """One name, as long as it is wanted."""
        while True:
            async with self._turn:
                self.lookups += 1
                try:
                    wait_s = self._took(host, await self.resolver.find(host))
                except LookupFailed as e:
                    wait_s = self._failed(host, e)
            self.known[host].asked = True
            self._answered.set()
            await asyncio.sleep(wait_s)

    def _took(self, host: str, found: Found) -> float:
        """A good answer; how long it holds."""
        name = self.known[host]
        if name.error:
            self.say("info", f"host {host}: resolved again")
        name.error, name.failures, name.found_s = "", 0, time.time()
        if found.addresses != name.addresses:
            shown = ", ".join(text for _, text in found.addresses)
            self.say("info", f"host {host}: {shown}")
            name.addresses = found.addresses
            self._tell_soon()
        return min(max(found.ttl_s, LEAST_TTL_S), MOST_TTL_S)

    def _failed(self, host: str, why: LookupFailed) -> float:
        """No answer, or none that is of use; the last good one stays."""
        name = self.known[host]
        self.failures += 1
        if name.error != str(why):
            kept = "its last addresses are kept" if name.addresses else "it has no address"
            self.say("warning", f"host {host}: {why}; {kept}")
        name.error, name.failures = str(why), name.failures + 1
        return float(min(RETRY_S * 2 ** min(name.failures - 1, 10), MOST_RETRY_S))

    def _tell_soon(self) -> None:
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(GATHER_S, self._tell_now)

    def _tell_now(self) -> None:
        self._telling = None
        self.tell(
            {
                host: [[family, text] for family, text in name.addresses]
                for host, name in self.known.items()
                if name.addresses
            }
        )
