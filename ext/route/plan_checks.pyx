"""Checks of a plan, those of the matcher's tables among them; see plan_checks.pxd."""

from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.matcher cimport MAX_SEGMENTS
from fastgw.ext.route.plan cimport (
    CAPTURE_GROUP, CHECK_REST, CHECK_TESTS, EMPTY_SLOT, OP_REGEX, SECTION_CANDIDATES,
    SECTION_CAPTURES, SECTION_EXTRAS, SECTION_HOST_SLOTS, SECTION_HOSTS, SECTION_LOOKS,
    SECTION_NAMES, SECTION_PATH_SLOTS, SECTION_PATHS, SECTION_RANGES, SECTION_REGEXES,
    SECTION_ROUTES, SECTION_SETS, SECTION_SHAPES, SECTION_TESTS, SHAPE_EXACT, SHAPE_MANY,
    SHAPE_PREFIX, TEST_CLIENT, TEST_SERVER_NAME, Candidate, CaptureRow, ExtraRow, HostRow,
    HostSlot, LooksRow, PathRow, PathSlot, SetRow, ShapeRow, TestRow, Text,
)
from fastgw.ext.route.regex cimport MAX_GROUPS


cdef int fail_text(str section, size_t i) except -1:
    raise PlanError(f"{section}[{i}]: a text is not within the strings")


cdef int fail_index(uint64_t at, uint64_t count, str section, size_t i, str what) except -1:
    raise PlanError(f"{section}[{i}]: {what} {at} of {count}")


cdef int fail_run(
    uint64_t first, uint64_t n, uint64_t count, str section, size_t i, str what
) except -1:
    raise PlanError(f"{section}[{i}]: {what} {first}+{n} of {count}")


# -- the matcher's tables --------------------------------------------------------------------

cdef int check_matcher(const Plan* p) except -1:
    """Everything that a match follows."""
    _check_hosts(p)
    _check_looks(p)
    _check_shapes(p)
    _check_paths(p)
    _check_candidates(p)
    _check_extras(p)
    _check_tests(p)
    _check_texts(p)
    _check_host_slots(p)
    _check_path_slots(p)
    return 0


cdef int _check_table(uint32_t n, uint32_t used, str section) except -1:
    """A power of two of slots, one of them empty."""
    if n == 0 or n & (n - 1):
        raise PlanError(f"{section}: {n} slots are not a power of two")
    if used == n:
        raise PlanError(f"{section}: no slot is empty")
    return 0


cdef int _check_host_slots(const Plan* p) except -1:
    cdef const HostSlot* slots = <const HostSlot*>p.rows[<int>SECTION_HOST_SLOTS]
    cdef uint32_t i, n = p.count[<int>SECTION_HOST_SLOTS], used = 0
    cdef Text name
    for i in range(n):
        if slots[i].host == EMPTY_SLOT:
            continue
        used += 1
        name.at, name.n = slots[i].name, slots[i].n
        check_text(p, name, "host_slots", i)
        check_index(slots[i].host, p.count[<int>SECTION_HOSTS], "host_slots", i, "host")
        check_index(slots[i].looks, p.count[<int>SECTION_LOOKS], "host_slots", i, "looks")
    return _check_table(n, used, "host_slots")


cdef int _check_path_slots(const Plan* p) except -1:
    """Slots, and that candidates in them are of a kind that can be taken as it is."""
    cdef const PathSlot* slots = <const PathSlot*>p.rows[<int>SECTION_PATH_SLOTS]
    cdef uint32_t i, n = p.count[<int>SECTION_PATH_SLOTS], used = 0
    for i in range(n):
        if slots[i].path == EMPTY_SLOT:
            continue
        used += 1
        check_index(slots[i].path, p.count[<int>SECTION_PATHS], "path_slots", i, "path")
        check_index(slots[i].host, p.count[<int>SECTION_HOSTS], "path_slots", i, "host")
        check_text(p, slots[i].text, "path_slots", i)
        if slots[i].own.kind == SHAPE_MANY:
            continue
        if slots[i].own.kind not in (SHAPE_EXACT, SHAPE_PREFIX):
            raise PlanError(f"path_slots[{i}]: kind {slots[i].own.kind}")
        _check_candidate(p, &slots[i].own, "path_slots", i)
    return _check_table(n, used, "path_slots")


cdef int _check_hosts(const Plan* p) except -1:
    cdef const HostRow* hosts = <const HostRow*>p.rows[<int>SECTION_HOSTS]
    cdef size_t i
    if p.count[<int>SECTION_HOSTS] == 0:
        raise PlanError("hosts: the default host's row is missing")
    for i in range(p.count[<int>SECTION_HOSTS]):
        check_text(p, hosts[i].name, "hosts", i)
        check_index(hosts[i].looks, p.count[<int>SECTION_LOOKS], "hosts", i, "looks")
        check_optional(hosts[i].set, p.count[<int>SECTION_SETS], "hosts", i, "set")
    return 0


cdef int _check_looks(const Plan* p) except -1:
    cdef const LooksRow* looks = <const LooksRow*>p.rows[<int>SECTION_LOOKS]
    cdef size_t i
    for i in range(p.count[<int>SECTION_LOOKS]):
        check_run(looks[i].shapes, looks[i].shapes_n, p.count[<int>SECTION_SHAPES],
                  "looks", i, "shapes")
    return 0


cdef int _check_shapes(const Plan* p) except -1:
    """No parameter is beyond the last segment."""
    cdef const ShapeRow* shapes = <const ShapeRow*>p.rows[<int>SECTION_SHAPES]
    cdef size_t i
    for i in range(p.count[<int>SECTION_SHAPES]):
        check_index(shapes[i].kind, SHAPE_PREFIX + 1, "shapes", i, "kind")
        check_index(shapes[i].depth, MAX_SEGMENTS + 1, "shapes", i, "depth")
        if shapes[i].params >> shapes[i].depth:
            raise PlanError(f"shapes[{i}]: a parameter is beyond its {shapes[i].depth} segments")
    return 0


cdef int _check_paths(const Plan* p) except -1:
    cdef const HostRow* hosts = <const HostRow*>p.rows[<int>SECTION_HOSTS]
    cdef const PathRow* paths = <const PathRow*>p.rows[<int>SECTION_PATHS]
    cdef const SetRow* sets = <const SetRow*>p.rows[<int>SECTION_SETS]
    cdef uint32_t of
    cdef uint64_t n
    cdef size_t i
    for i in range(p.count[<int>SECTION_PATHS]):
        check_index(paths[i].host, p.count[<int>SECTION_HOSTS], "paths", i, "host")
        check_text(p, paths[i].path, "paths", i)
        n = <uint64_t>paths[i].exact_n + paths[i].prefix_n + paths[i].regex_n
        check_run(paths[i].first, n, p.count[<int>SECTION_CANDIDATES], "paths", i, "candidates")
        if paths[i].regex_n:
            of = hosts[paths[i].host].set
            check_index(of, p.count[<int>SECTION_SETS], "paths", i, "set")
            check_run(paths[i].regex, paths[i].regex_n, sets[of].n, "paths", i, "regexes")
    return 0


cdef int _check_candidates(const Plan* p) except -1:
    cdef const Candidate* rows = <const Candidate*>p.rows[<int>SECTION_CANDIDATES]
    cdef size_t i
    for i in range(p.count[<int>SECTION_CANDIDATES]):
        _check_candidate(p, &rows[i], "candidates", i)
    return 0


cdef int _check_candidate(const Plan* p, const Candidate* row, str section, size_t i) except -1:
    check_index(row.route, p.count[<int>SECTION_ROUTES], section, i, "route")
    check_optional(row.extra, p.count[<int>SECTION_EXTRAS], section, i, "extra")
    check_index(row.checks, (CHECK_TESTS | CHECK_REST) + 1, section, i, "checks")
    if row.checks & CHECK_TESTS:
        check_index(row.extra, p.count[<int>SECTION_EXTRAS], section, i, "extra")
    return 0


cdef int _check_extras(const Plan* p) except -1:
    cdef const ExtraRow* rows = <const ExtraRow*>p.rows[<int>SECTION_EXTRAS]
    cdef const CaptureRow* captures = <const CaptureRow*>p.rows[<int>SECTION_CAPTURES]
    cdef size_t i
    for i in range(p.count[<int>SECTION_EXTRAS]):
        check_run(rows[i].tests, rows[i].tests_n, p.count[<int>SECTION_TESTS],
                  "extras", i, "tests")
        check_run(rows[i].captures, rows[i].captures_n, p.count[<int>SECTION_CAPTURES],
                  "extras", i, "captures")
        check_optional(rows[i].regex, p.count[<int>SECTION_REGEXES], "extras", i, "regex")
    for i in range(p.count[<int>SECTION_CAPTURES]):
        check_text(p, captures[i].name, "captures", i)
        check_index(captures[i].kind, CAPTURE_GROUP + 1, "captures", i, "kind")
        if captures[i].kind == CAPTURE_GROUP:
            check_index(captures[i].at, MAX_GROUPS + 1, "captures", i, "group")
    return 0


cdef int _check_tests(const Plan* p) except -1:
    cdef const TestRow* rows = <const TestRow*>p.rows[<int>SECTION_TESTS]
    cdef size_t i
    for i in range(p.count[<int>SECTION_TESTS]):
        check_index(rows[i].kind, TEST_SERVER_NAME + 1, "tests", i, "kind")
        check_index(rows[i].op, OP_REGEX + 1, "tests", i, "op")
        check_text(p, rows[i].name, "tests", i)
        check_text(p, rows[i].value, "tests", i)
        if rows[i].op == OP_REGEX:
            check_index(rows[i].regex, p.count[<int>SECTION_REGEXES], "tests", i, "regex")
        if rows[i].kind == TEST_CLIENT:
            check_run(rows[i].first, rows[i].n, p.count[<int>SECTION_RANGES],
                      "tests", i, "ranges")
        elif rows[i].kind == TEST_SERVER_NAME:
            check_run(rows[i].first, rows[i].n, p.count[<int>SECTION_NAMES],
                      "tests", i, "names")
    return 0


cdef int _check_texts(const Plan* p) except -1:
    """Patterns, the sets they are in, and server names."""
    cdef const Text* regexes = <const Text*>p.rows[<int>SECTION_REGEXES]
    cdef const Text* names = <const Text*>p.rows[<int>SECTION_NAMES]
    cdef const SetRow* sets = <const SetRow*>p.rows[<int>SECTION_SETS]
    cdef size_t i
    for i in range(p.count[<int>SECTION_REGEXES]):
        check_text(p, regexes[i], "regexes", i)
    for i in range(p.count[<int>SECTION_NAMES]):
        check_text(p, names[i], "names", i)
    for i in range(p.count[<int>SECTION_SETS]):
        check_run(sets[i].first, sets[i].n, p.count[<int>SECTION_REGEXES], "sets", i, "regexes")
    return 0
