"""Checks of a plan's rows; see plan_checks.pxd."""

from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.matcher cimport MAX_SEGMENTS
from fastgw.ext.route.plan cimport (
    CAPTURE_GROUP, CHECK_REST, CHECK_TESTS, EMPTY_SLOT, OP_REGEX, SECTION_CANDIDATES,
    SECTION_CAPTURES, SECTION_CHAINS, SECTION_DATA, SECTION_EXTRAS, SECTION_HOST_SLOTS,
    SECTION_HOSTS, SECTION_LISTENERS, SECTION_LOOKS, SECTION_NAMES, SECTION_NETWORKS,
    SECTION_OBJECTS, SECTION_PATH_SLOTS, SECTION_PATHS, SECTION_RANGES, SECTION_REGEXES,
    SECTION_REWRITES, SECTION_ROUTES, SECTION_SETS, SECTION_SETTINGS, SECTION_SHAPES,
    SECTION_STATS, SECTION_STATUSES, SECTION_STEPS, SECTION_TARGETS, SECTION_TESTS, SHAPE_EXACT,
    SHAPE_MANY, SHAPE_PREFIX, TEST_CLIENT, TEST_SERVER_NAME, Candidate, CaptureRow, ChainRow,
    ExtraRow, HostRow, HostSlot, ListenerRow, LooksRow, ObjectRow, PathRow, PathSlot, RewriteRow,
    RouteRow, SetRow, ShapeRow, StatRow, StepRow, TestRow, Text,
)
from fastgw.ext.route.regex cimport MAX_GROUPS

cdef enum:
    HOST_MODES = 4              # 0, or 1 + HostMode


cdef int fail_text(str section, size_t i) except -1:
    raise PlanError(f"{section}[{i}]: a text is not within the strings")


cdef int fail_index(uint64_t at, uint64_t count, str section, size_t i, str what) except -1:
    raise PlanError(f"{section}[{i}]: {what} {at} of {count}")


cdef int fail_run(
    uint64_t first, uint64_t n, uint64_t count, str section, size_t i, str what
) except -1:
    raise PlanError(f"{section}[{i}]: {what} {first}+{n} of {count}")


# -- listeners, networks, statistics ---------------------------------------------------------

cdef int _listeners(const Plan* p, size_t i) except -1:
    cdef const ListenerRow* row = <const ListenerRow*>p.rows[<int>SECTION_LISTENERS] + i
    check_text(p, row.name, "listeners", i)
    check_text(p, row.address, "listeners", i)
    check_run(row.options_at, row.options_n, p.count[<int>SECTION_DATA], "listeners", i,
              "options")
    check_optional(row.route, p.count[<int>SECTION_ROUTES], "listeners", i, "route")
    return 0


cdef int _networks(const Plan* p, size_t i) except -1:
    return check_text(p, (<const Text*>p.rows[<int>SECTION_NETWORKS])[i], "networks", i)


cdef int _stats(const Plan* p, size_t i) except -1:
    cdef const StatRow* row = <const StatRow*>p.rows[<int>SECTION_STATS] + i
    check_text(p, row.kind, "stats", i)
    return check_text(p, row.name, "stats", i)


# -- the matcher's tables --------------------------------------------------------------------

cdef int check_tables(const Plan* p) except -1:
    """What is no matter of single rows: the default host, and the size of tables of slots."""
    if p.count[<int>SECTION_HOSTS] == 0:
        raise PlanError("hosts: the default host's row is missing")
    _table(p.count[<int>SECTION_HOST_SLOTS], "host_slots")
    return _table(p.count[<int>SECTION_PATH_SLOTS], "path_slots")


cdef int _table(uint32_t n, str section) except -1:
    if n == 0 or n & (n - 1):
        raise PlanError(f"{section}: {n} slots are not a power of two")
    return 0


cdef int _host_slots(const Plan* p, size_t i) except -1:
    cdef const HostSlot* row = <const HostSlot*>p.rows[<int>SECTION_HOST_SLOTS] + i
    cdef Text name
    if row.host == EMPTY_SLOT:
        return ROW_EMPTY
    name.at, name.n = row.name, row.n
    check_text(p, name, "host_slots", i)
    check_index(row.host, p.count[<int>SECTION_HOSTS], "host_slots", i, "host")
    return check_index(row.looks, p.count[<int>SECTION_LOOKS], "host_slots", i, "looks")


cdef int _path_slots(const Plan* p, size_t i) except -1:
    """A candidate in a slot is of a kind that can be taken as it is."""
    cdef const PathSlot* row = <const PathSlot*>p.rows[<int>SECTION_PATH_SLOTS] + i
    if row.path == EMPTY_SLOT:
        return ROW_EMPTY
    check_index(row.path, p.count[<int>SECTION_PATHS], "path_slots", i, "path")
    check_index(row.host, p.count[<int>SECTION_HOSTS], "path_slots", i, "host")
    check_text(p, row.text, "path_slots", i)
    if row.own.kind == SHAPE_MANY:
        return 0
    if row.own.kind not in (SHAPE_EXACT, SHAPE_PREFIX):
        raise PlanError(f"path_slots[{i}]: kind {row.own.kind}")
    return _candidate(p, &row.own, "path_slots", i)


cdef int _hosts(const Plan* p, size_t i) except -1:
    cdef const HostRow* row = <const HostRow*>p.rows[<int>SECTION_HOSTS] + i
    check_text(p, row.name, "hosts", i)
    check_index(row.looks, p.count[<int>SECTION_LOOKS], "hosts", i, "looks")
    return check_optional(row.set, p.count[<int>SECTION_SETS], "hosts", i, "set")


cdef int _looks(const Plan* p, size_t i) except -1:
    cdef const LooksRow* row = <const LooksRow*>p.rows[<int>SECTION_LOOKS] + i
    return check_run(row.shapes, row.shapes_n, p.count[<int>SECTION_SHAPES], "looks", i,
                     "shapes")


cdef int _shapes(const Plan* p, size_t i) except -1:
    """No parameter is beyond the last segment."""
    cdef const ShapeRow* row = <const ShapeRow*>p.rows[<int>SECTION_SHAPES] + i
    check_index(row.kind, SHAPE_PREFIX + 1, "shapes", i, "kind")
    check_index(row.depth, MAX_SEGMENTS + 1, "shapes", i, "depth")
    if row.params >> row.depth:
        raise PlanError(f"shapes[{i}]: a parameter is beyond its {row.depth} segments")
    return 0


cdef int _paths(const Plan* p, size_t i) except -1:
    cdef const HostRow* hosts = <const HostRow*>p.rows[<int>SECTION_HOSTS]
    cdef const PathRow* row = <const PathRow*>p.rows[<int>SECTION_PATHS] + i
    cdef const SetRow* sets = <const SetRow*>p.rows[<int>SECTION_SETS]
    cdef uint64_t n = <uint64_t>row.exact_n + row.prefix_n + row.regex_n
    cdef uint32_t of
    check_index(row.host, p.count[<int>SECTION_HOSTS], "paths", i, "host")
    check_text(p, row.path, "paths", i)
    check_run(row.first, n, p.count[<int>SECTION_CANDIDATES], "paths", i, "candidates")
    if row.regex_n:
        of = hosts[row.host].set
        check_index(of, p.count[<int>SECTION_SETS], "paths", i, "set")
        check_run(row.regex, row.regex_n, sets[of].n, "paths", i, "regexes")
    return 0


cdef int _candidates(const Plan* p, size_t i) except -1:
    cdef const Candidate* row = <const Candidate*>p.rows[<int>SECTION_CANDIDATES] + i
    return _candidate(p, row, "candidates", i)


cdef int _candidate(const Plan* p, const Candidate* row, str section, size_t i) except -1:
    check_index(row.route, p.count[<int>SECTION_ROUTES], section, i, "route")
    check_optional(row.extra, p.count[<int>SECTION_EXTRAS], section, i, "extra")
    check_index(row.checks, (CHECK_TESTS | CHECK_REST) + 1, section, i, "checks")
    if row.checks & CHECK_TESTS:
        check_index(row.extra, p.count[<int>SECTION_EXTRAS], section, i, "extra")
    return 0


cdef int _extras(const Plan* p, size_t i) except -1:
    cdef const ExtraRow* row = <const ExtraRow*>p.rows[<int>SECTION_EXTRAS] + i
    check_run(row.tests, row.tests_n, p.count[<int>SECTION_TESTS], "extras", i, "tests")
    check_run(row.captures, row.captures_n, p.count[<int>SECTION_CAPTURES], "extras", i,
              "captures")
    return check_optional(row.regex, p.count[<int>SECTION_REGEXES], "extras", i, "regex")


cdef int _captures(const Plan* p, size_t i) except -1:
    cdef const CaptureRow* row = <const CaptureRow*>p.rows[<int>SECTION_CAPTURES] + i
    check_text(p, row.name, "captures", i)
    check_index(row.kind, CAPTURE_GROUP + 1, "captures", i, "kind")
    if row.kind == CAPTURE_GROUP:
        check_index(row.at, MAX_GROUPS + 1, "captures", i, "group")
    return 0


cdef int _tests(const Plan* p, size_t i) except -1:
    cdef const TestRow* row = <const TestRow*>p.rows[<int>SECTION_TESTS] + i
    check_index(row.kind, TEST_SERVER_NAME + 1, "tests", i, "kind")
    check_index(row.op, OP_REGEX + 1, "tests", i, "op")
    check_text(p, row.name, "tests", i)
    check_text(p, row.value, "tests", i)
    if row.op == OP_REGEX:
        check_index(row.regex, p.count[<int>SECTION_REGEXES], "tests", i, "regex")
    if row.kind == TEST_CLIENT:
        check_run(row.first, row.n, p.count[<int>SECTION_RANGES], "tests", i, "ranges")
    elif row.kind == TEST_SERVER_NAME:
        check_run(row.first, row.n, p.count[<int>SECTION_NAMES], "tests", i, "names")
    return 0


cdef int _regexes(const Plan* p, size_t i) except -1:
    return check_text(p, (<const Text*>p.rows[<int>SECTION_REGEXES])[i], "regexes", i)


cdef int _names(const Plan* p, size_t i) except -1:
    return check_text(p, (<const Text*>p.rows[<int>SECTION_NAMES])[i], "names", i)


cdef int _sets(const Plan* p, size_t i) except -1:
    cdef const SetRow* row = <const SetRow*>p.rows[<int>SECTION_SETS] + i
    return check_run(row.first, row.n, p.count[<int>SECTION_REGEXES], "sets", i, "regexes")


# -- routes and objects ----------------------------------------------------------------------

cdef int _routes(const Plan* p, size_t i) except -1:
    cdef const RouteRow* row = <const RouteRow*>p.rows[<int>SECTION_ROUTES] + i
    check_text(p, row.name, "routes", i)
    check_index(row.target, p.count[<int>SECTION_TARGETS], "routes", i, "target")
    check_index(row.chain, p.count[<int>SECTION_CHAINS], "routes", i, "chain")
    check_index(row.stat, p.count[<int>SECTION_STATS], "routes", i, "stat")
    if row.rewrite < -1:
        raise PlanError(f"routes[{i}]: rewrite {row.rewrite}")
    if row.rewrite >= 0:
        check_index(row.rewrite, p.count[<int>SECTION_REWRITES], "routes", i, "rewrite")
    if row.client_eof > 1:
        raise PlanError(f"routes[{i}]: client_eof {row.client_eof}")
    check_index(row.host_mode, HOST_MODES, "routes", i, "host_mode")
    check_text(p, row.host, "routes", i)
    check_optional(row.pages, p.count[<int>SECTION_OBJECTS], "routes", i, "pages")
    return check_run(row.statuses, row.statuses_n, p.count[<int>SECTION_STATUSES], "routes", i,
                     "statuses")


cdef int _settings(const Plan* p, size_t i) except -1:
    return check_optional(p.settings.pages, p.count[<int>SECTION_OBJECTS], "settings", 0, "pages")


cdef int _rewrites(const Plan* p, size_t i) except -1:
    cdef const RewriteRow* row = <const RewriteRow*>p.rows[<int>SECTION_REWRITES] + i
    check_text(p, row.strip, "rewrites", i)
    check_text(p, row.prefix, "rewrites", i)
    return check_optional(row.object, p.count[<int>SECTION_OBJECTS], "rewrites", i, "object")


cdef int _chains(const Plan* p, size_t i) except -1:
    cdef const ChainRow* row = <const ChainRow*>p.rows[<int>SECTION_CHAINS] + i
    check_run(row.first, row.count, p.count[<int>SECTION_STEPS], "chains", i, "steps")
    if row.count > 0xFFFF:
        raise PlanError(f"chains[{i}]: {row.count} policies are too many")
    return 0


cdef int _steps(const Plan* p, size_t i) except -1:
    cdef const StepRow* row = <const StepRow*>p.rows[<int>SECTION_STEPS] + i
    check_index(row.object, p.count[<int>SECTION_OBJECTS], "steps", i, "object")
    check_index(row.mode, 3, "steps", i, "mode")
    return check_index(row.pass_failures, 2, "steps", i, "pass_failures")


cdef int _targets(const Plan* p, size_t i) except -1:
    cdef const uint32_t* rows = <const uint32_t*>p.rows[<int>SECTION_TARGETS]
    return check_index(rows[i], p.count[<int>SECTION_OBJECTS], "targets", i, "object")


cdef int _objects(const Plan* p, size_t i) except -1:
    cdef const ObjectRow* row = <const ObjectRow*>p.rows[<int>SECTION_OBJECTS] + i
    check_text(p, row.kind, "objects", i)
    check_text(p, row.name, "objects", i)
    return check_run(row.data_at, row.data_n, p.count[<int>SECTION_DATA], "objects", i, "data")


# -- every section ---------------------------------------------------------------------------

ctypedef int (*CheckRow)(const Plan* p, size_t i) except -1


cdef Py_ssize_t check_rows(const Plan* p, int section, size_t at, size_t end) except -1:
    cdef CheckRow check = _check_of(section)
    cdef Py_ssize_t empty = 0
    if check != NULL:
        while at < end:
            empty += check(p, at) == ROW_EMPTY
            at += 1
    return empty


cdef CheckRow _check_of(int section) noexcept:
    """What checks a row of a section; NULL where any row will do."""
    cdef CheckRow checks[27]
    cdef int i
    for i in range(27):
        checks[i] = NULL
    checks[<int>SECTION_SETTINGS] = _settings
    checks[<int>SECTION_LISTENERS] = _listeners
    checks[<int>SECTION_HOSTS] = _hosts
    checks[<int>SECTION_HOST_SLOTS] = _host_slots
    checks[<int>SECTION_LOOKS] = _looks
    checks[<int>SECTION_PATHS] = _paths
    checks[<int>SECTION_PATH_SLOTS] = _path_slots
    checks[<int>SECTION_SHAPES] = _shapes
    checks[<int>SECTION_CANDIDATES] = _candidates
    checks[<int>SECTION_EXTRAS] = _extras
    checks[<int>SECTION_TESTS] = _tests
    checks[<int>SECTION_CAPTURES] = _captures
    checks[<int>SECTION_REGEXES] = _regexes
    checks[<int>SECTION_SETS] = _sets
    checks[<int>SECTION_NAMES] = _names
    checks[<int>SECTION_ROUTES] = _routes
    checks[<int>SECTION_REWRITES] = _rewrites
    checks[<int>SECTION_CHAINS] = _chains
    checks[<int>SECTION_STEPS] = _steps
    checks[<int>SECTION_TARGETS] = _targets
    checks[<int>SECTION_OBJECTS] = _objects
    checks[<int>SECTION_NETWORKS] = _networks
    checks[<int>SECTION_STATS] = _stats
    return checks[section]
