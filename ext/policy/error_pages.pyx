"""Error pages; see error_pages.pxd."""

cimport cython
from libc.stdint cimport uint32_t
from libc.string cimport memset
from fastgw.ext.base.reasons cimport REASON_NONE
from fastgw.ext.base.reasons import REASON_TABLE
from fastgw.ext.policy.field import parse_value
from fastgw.ext.policy.options import only
from fastgw.ext.route.plan cimport NOTHING
from fastgw.ext.route.snapshot cimport Snapshot

_KEYS = ("body", "statuses", "reasons", "content_type", "status")
#: Numbers of the reasons (base/reasons.pxd) by name.
REASONS = {row[0]: i for i, row in enumerate(REASON_TABLE, 1)}


@cython.final
cdef class ErrorPage:
    """One document, from its options; ValueError says what is wrong with them."""

    def __init__(self, options: dict):
        only(options, _KEYS, "error page")
        content_type = options.get("content_type", "text/html; charset=utf-8")
        self.content_type = parse_value(content_type)
        self.body = BodyTemplate(options["body"], content_type)
        self.status = options.get("status", 0)
        if self.status and not 400 <= self.status <= 599:
            raise ValueError(f"status: {self.status} is not one of 400 to 599")
        self.take_statuses(options.get("statuses") or [])
        self.take_reasons(options.get("reasons") or [])

    def take_statuses(self, statuses: list[int]) -> None:
        """Statuses that it fits; none: all."""
        memset(self.statuses, 0 if statuses else 1, sizeof(self.statuses))
        for status in statuses:
            if not 400 <= status <= 599:
                raise ValueError(f"statuses: {status} is not one of 400 to 599")
            self.statuses[<int>status - 400] = 1

    def take_reasons(self, names: list[str]) -> None:
        """Reasons that it fits; none: all, and answers that have none."""
        memset(self.reasons, 0 if names else 1, sizeof(self.reasons))
        for name in names:
            if name not in REASONS:
                raise ValueError(f"reasons: there is no reason '{name}'")
            self.reasons[<int>REASONS[name]] = 1


@cython.final
cdef class ErrorPages:
    """Built from the plan's options: {"pages": [options of a page, ...]}."""

    def __init__(self, name: str, options: dict):
        only(options, ("pages",), "error pages")
        self.pages = [ErrorPage(page) for page in options["pages"]]

    cdef ErrorPage find(self, uint16_t status, Reason why):
        """The first page that fits, or None."""
        cdef ErrorPage page
        if not 400 <= status <= 599 or <int>why > 255:
            return None
        for page in self.pages:
            if page.statuses[status - 400] and page.reasons[<int>why]:
                return page
        return None


cdef ErrorPage find_page(Exchange x, uint16_t status, Reason why):
    """The page for an answer to `x`: its route's, or those for requests without one."""
    cdef Snapshot s = <Snapshot>x.snapshot
    cdef uint32_t at
    if s is None or s.things == NULL:
        return None
    at = s.pages if x.route == NULL else x.route.pages
    return (<ErrorPages>s.things[at]).find(status, why) if at != NOTHING else None


cdef bint is_replaced(Exchange x, uint16_t status) noexcept:
    """Whether the route has a page for an upstream's answer of this status."""
    cdef Snapshot s = <Snapshot>x.snapshot
    cdef uint32_t i
    if s is None:
        return False
    for i in range(x.route.statuses_n):
        if s.statuses[x.route.statuses + i] == status:
            return find_page(x, status, REASON_NONE) is not None
    return False
