"""Routes by the thousand, and requests uniform over them: what a number of routes costs.

Every hundred routes are those of one host. A quarter each are a prefix, a path with a
parameter, one with two that takes GET alone, and an exact path; one request in a hundred
finds no route, which is answered with 404. The names of ten routes are as long as those of a
hundred thousand, and as many different requests are sent, so that nothing differs but how
many routes there are.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from fastgw.bench.messages import FIELDS, request
from fastgw.bench.spec import Request

#: Names the gateway with so many routes: uniform-10.
UNIFORM = "uniform-"
A_HOST = 100
#: Different requests of a load, and how many in a hundred have no route.
REQUESTS, MISSES = 50_000, 0.01
#: Numbers of routes have as many digits, however many there are.
_STRIDE = 9973
#: Path of a route, of a request to it, and what else its match says.
_FORMS = (
    ("/v1/s{n}/orders/*", "/v1/s{n}/orders/{a}", ""),
    ("/v1/s{n}/users/{{id}}", "/v1/s{n}/users/{a}", ""),
    ("/v1/s{n}/users/{{id}}/items/{{item}}", "/v1/s{n}/users/{a}/items/{b}", ", method: GET"),
    ("/v1/s{n}/status/now", "/v1/s{n}/status/now", ""),
)


def _names(i: int) -> tuple[str, str, int]:
    """Host, number and form of a route."""
    return f"h{i // A_HOST:06}.example.com", f"{i * _STRIDE % 1_000_000:06}", i % len(_FORMS)


def lines(count: int) -> Iterator[str]:
    """So many routes, as the entries of `routes`."""
    for i in range(count):
        host, number, form = _names(i)
        path, _, more = _FORMS[form]
        match = f'{{host: {host}, path: "{path.format(n=number)}"{more}}}'
        yield f"  r{i}: {{match: {match}, upstream: origin}}"


def probe() -> tuple[str, str]:
    """Host and target that the first route takes."""
    host, number, form = _names(0)
    return host, _FORMS[form][1].format(n=number, a="10000", b="100")


def requests(count: int, many: int = REQUESTS) -> list[Request]:
    """Requests uniform over so many routes; the same ones each time."""
    chance = random.Random(count)
    made = []
    for _ in range(many):
        host, number, form = _names(chance.randrange(count))
        a, b = chance.randrange(10_000, 100_000), chance.randrange(100, 1000)
        target, status = _FORMS[form][1].format(n=number, a=a, b=b), 200
        if chance.random() < MISSES:
            target, status = target.replace("/v1/", "/v2/"), 404
        made.append(Request(request(target, host, fields=FIELDS["curl"]), status=status))
    return made
