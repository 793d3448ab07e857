"""Statistics; see statistics.pxd."""

cimport cython
from libc.string cimport memcpy, memset
from fastgw.ext.base.atomics cimport fence, load32, load64, store32, store64, swap32, swap64
from collections import namedtuple
from hashlib import blake2b
from fastgw.ext.shm.segment import create_segment, map_segment

cdef enum:
    PAGE = 4096
    PROBES = 64                 # sparse slots that are looked at before the overflow cell
    READS = 100                 # a reader begins again at most so often
    FOLD_WAITS = 10_000_000     # looks at another master's fold, some 20 ms
    KEPT_S = 600                # a row keeps its labels so long after they vanished

MAGIC = b"FGWSTAT\0"
ROLES = ("worker", "control", "master")
Process = namedtuple(
    "Process", "column pid slot role incarnation beat_ms generation started_ms"
)
Row = namedtuple("Row", "row kind name used serial")
Crossing = namedtuple("Crossing", "metric row other value")


# -- making and mapping ----------------------------------------------------------------------

cdef uint64_t _round(uint64_t n, uint64_t to) noexcept:
    return (n + to - 1) // to * to


def create_statistics(
    columns: int, rows: int = 10_000, sparse: int = 16_384, generation: int = 0
) -> Statistics:
    """A new segment for so many processes at once, label rows and sparse cells (a power of
    two). Pages of rows and columns that nobody uses take no memory."""
    cdef StatisticsHeader h
    cdef StatisticsHeader* made
    cdef Statistics s
    if sparse & (sparse - 1) or sparse < 64:
        raise ValueError(f"{sparse} sparse cells: a power of two, 64 at least")
    h.columns, h.rows, h.sparse = columns + 1, rows + ROW_FIRST, sparse
    h.column_bytes = _round((<uint64_t>h.rows * ROW_CELLS + h.sparse) * 8, PAGE)
    h.at_columns = _round(sizeof(StatisticsHeader), 64)
    h.at_rows = _round(h.at_columns + h.columns * sizeof(ColumnEntry), 64)
    h.at_keys = _round(h.at_rows + h.rows * sizeof(RowEntry), 64)
    h.at_cells = _round(h.at_keys + h.sparse * 8, PAGE)
    size = h.at_cells + h.columns * h.column_bytes
    segment = create_segment("statistics", MAGIC, STATISTICS_LAYOUT, size, generation)
    made = <StatisticsHeader*>(<Segment>segment).base
    h.segment = made.segment
    h.rows_used = ROW_FIRST
    h.folds = h.unused = 0
    h.incarnations = 0
    made[0] = h
    s = Statistics(segment)
    _name_row(&s.rows[<int>ROW_PROCESS], "process", "", 0)
    _name_row(&s.rows[<int>ROW_OVERFLOW], "overflow", "", 0)
    store32(&s.columns[0].state, COLUMN_LIVE)
    return s


def map_statistics(fd: int) -> Statistics:
    """The segment behind a descriptor, which stays the caller's; SegmentError if it isn't one."""
    return Statistics(map_segment(fd, MAGIC, STATISTICS_LAYOUT, writable=True))


cdef class Statistics:
    """See statistics.pxd."""

    def __init__(self, Segment segment not None) -> None:
        self.segment = segment
        self.found = {}
        self.head = <StatisticsHeader*>segment.base
        self.columns = <ColumnEntry*>(segment.base + self.head.at_columns)
        self.rows = <RowEntry*>(segment.base + self.head.at_rows)
        self.keys = <uint64_t*>(segment.base + self.head.at_keys)
        self.cells = segment.base + self.head.at_cells

    cdef uint64_t* column_cells(self, uint32_t column) noexcept:
        """Cell 0 of row 0."""
        return <uint64_t*>(self.cells + column * self.head.column_bytes)

    @property
    def row_count(self) -> int:
        """Rows that were ever given to labels, `process` and `overflow` included."""
        return load32(&self.head.rows_used)

    @property
    def row_most(self) -> int:
        """How many there can be."""
        return self.head.rows

    @property
    def column_most(self) -> int:
        """How many columns there can be, `retired` included."""
        return self.head.columns

    # -- readers --------------------------------------------------------------------------

    def totals(self) -> memoryview:
        """The cells of rows 0 to `row_count`, 48 a row, each summed over all columns; of
        type `Q` (a gauge is its two's complement). Exact: never half of a fold."""
        cdef uint32_t before
        cdef int _i
        for _i in range(READS):
            before = load32(&self.head.folds)
            out = bytearray(load32(&self.head.rows_used) * ROW_CELLS * 8)
            self.sum_rows(<uint64_t*><char*>out, len(out) // 8)
            fence()
            if not before & 1 and load32(&self.head.folds) == before:
                break
        return memoryview(out).cast("Q")

    cdef void sum_rows(self, uint64_t* out, uint64_t n) noexcept:
        cdef uint32_t c
        cdef uint64_t i
        cdef uint64_t* cells
        for c in range(self.head.columns):
            if load32(&self.columns[c].state) != COLUMN_FREE:
                cells = self.column_cells(c)
                for i in range(n):
                    out[i] += cells[i]

    def crossings(self) -> list:
        """Every claimed sparse cell that is not 0, summed over all columns."""
        cdef uint32_t i, before
        cdef int _again
        cdef uint64_t key
        for _again in range(READS):
            before = load32(&self.head.folds)
            found = []
            for i in range(self.head.sparse):
                key = load64(&self.keys[i])
                value = self.sparse_sum(i) if key or i == SPARSE_OVERFLOW else 0
                if value:
                    found.append(Crossing(
                        key >> 48, key >> 24 & 0xFFFFFF if key else ROW_OVERFLOW,
                        key & 0xFFFFFF, value,
                    ))
            if not before & 1 and load32(&self.head.folds) == before:
                break
        return found

    cdef uint64_t sparse_sum(self, uint32_t i) noexcept:
        cdef uint32_t c
        cdef uint64_t total = 0
        cdef uint64_t at = <uint64_t>self.head.rows * ROW_CELLS + i
        for c in range(self.head.columns):
            if load32(&self.columns[c].state) != COLUMN_FREE:
                total += load64(self.column_cells(c) + at)
        return total

    def column_row(self, column: int, row: int) -> list:
        """The 48 cells of one row in one column; gauges signed."""
        if not (0 <= column < self.head.columns and 0 <= row < self.head.rows):
            raise IndexError(f"column {column}, row {row}")
        cdef uint64_t* cells = self.column_cells(column) + <uint64_t>row * ROW_CELLS
        cdef uint32_t i
        found = [load64(&cells[i]) for i in range(<uint32_t>ROW_COUNTERS)]
        for i in range(<uint32_t>ROW_COUNTERS, <uint32_t>ROW_CELLS):
            found.append(<int64_t>load64(&cells[i]))
        return found

    def processes(self) -> list:
        """Every process that has a column now."""
        cdef uint32_t c
        cdef ColumnEntry* e
        found = []
        for c in range(1, self.head.columns):
            e = &self.columns[c]
            if load32(&e.state) == COLUMN_LIVE:
                found.append(Process(
                    c, load32(&e.pid), -1 if e.slot == NO_SLOT else e.slot, ROLES[e.role],
                    e.incarnation, load64(&e.beat_ms), load64(&e.generation), e.started_ms,
                ))
        return found

    def labels(self) -> list:
        """Every row that has labels, in the order of the rows."""
        cdef uint32_t i, state
        cdef RowEntry* e
        found = []
        for i in range(load32(&self.head.rows_used)):
            e = &self.rows[i]
            state = load32(&e.state)
            if state != ROW_FREE:
                text = e.text[:e.text_n]
                found.append(Row(
                    i, text[:e.kind_n].decode("utf-8", "replace"),
                    text[e.kind_n + 1:].decode("utf-8", "replace"), state == ROW_USED, e.serial,
                ))
        return found

    # -- the master: columns ---------------------------------------------------------------

    def open_column(self, role: str, slot: int = -1) -> int:
        """A free column, cleared, for a process that is about to be started."""
        cdef uint32_t c
        cdef ColumnEntry* e
        for c in range(1, self.head.columns):
            e = &self.columns[c]
            # Two masters share the segment while one takes over from the other.
            if swap32(&e.state, COLUMN_FREE, COLUMN_LIVE):
                memset(&e.pid, 0, sizeof(ColumnEntry) - 4)
                self.head.incarnations += 1
                e.incarnation = self.head.incarnations
                e.role = ROLES.index(role)
                e.slot = NO_SLOT if slot < 0 else slot
                return c
        raise RuntimeError(f"all {self.head.columns - 1} columns of the statistics are in use")

    def set_pid(self, column: int, pid: int) -> None:
        """Whose column it is."""
        if not 0 < column < self.head.columns:
            raise IndexError(f"column {column}")
        store32(&self.columns[column].pid, pid)

    def fold(self, column: int) -> None:
        """The process is dead: its counters are added to `retired`, its gauges are gone.

        May be called again after a master died within it: a cell moves with an add before
        its clearing, so no sum falls."""
        if not 0 < column < self.head.columns:
            raise IndexError(f"column {column}")
        cdef ColumnEntry* e = &self.columns[column]
        if load32(&e.state) == COLUMN_FREE:
            return
        self.begin_fold()
        store32(&e.state, COLUMN_FOLDING)
        self.fold_cells(column)
        store32(&e.pid, 0)
        store32(&e.state, COLUMN_FREE)
        self.end_fold()

    cdef void begin_fold(self) noexcept:
        """Readers wait from here on, and so does another master; one that died within is
        not waited for."""
        cdef uint32_t now
        cdef int _i
        for _i in range(FOLD_WAITS):
            now = load32(&self.head.folds)
            if not now & 1 and swap32(&self.head.folds, now, now + 1):
                break
        else:
            store32(&self.head.folds, load32(&self.head.folds) | 1)
        fence()

    cdef void end_fold(self) noexcept:
        fence()
        store32(&self.head.folds, self.head.folds + 1)

    cdef void fold_cells(self, uint32_t column) noexcept:
        cdef uint64_t* to = self.column_cells(COLUMN_RETIRED)
        cdef uint64_t* cells = self.column_cells(column)
        cdef uint64_t row, i
        cdef uint64_t n = <uint64_t>self.head.rows_used * ROW_CELLS
        for row in range(0, n, ROW_CELLS):
            for i in range(row, row + ROW_COUNTERS):
                if cells[i]:
                    _move(&to[i], &cells[i])
            memset(&cells[row + ROW_COUNTERS], 0, ROW_GAUGES * 8)
        n = <uint64_t>self.head.rows * ROW_CELLS
        for i in range(n, n + self.head.sparse):
            if cells[i]:
                _move(&to[i], &cells[i])

    def order_drain(self, on: bool = True) -> None:
        """Tell every process that the gateway ends: its /readyz turns red."""
        cdef uint32_t c
        for c in range(1, self.head.columns):
            store32(&self.columns[c].orders, ORDER_DRAIN if on else 0)

    # -- the master: rows --------------------------------------------------------------------

    def assign(self, labels, now_s: int) -> list:
        """The rows of (kind, name) pairs, in their order; those of labels that are not named
        any more begin to vanish. Past the cap labels get row 1."""
        cdef list rows = []
        cdef uint32_t row
        cdef char* named
        marks = bytearray(self.head.rows)
        named = marks
        self.unlisted, self.full = None, False
        for label in labels:
            row = self.row_of(label)
            if row != ROW_OVERFLOW:
                store32(&self.rows[row].state, ROW_USED)
                named[row] = 1
            rows.append(row)
        self.unlisted = None
        for row in range(<uint32_t>ROW_FIRST, self.head.rows_used):
            if load32(&self.rows[row].state) == ROW_USED and not named[row]:
                self.rows[row].vanished_s = now_s
                store32(&self.rows[row].state, ROW_VANISHED)
        return rows

    cdef uint32_t row_of(self, tuple label) except? 0:
        """The row of a (kind, name): the one it had, as a rule, since most labels stay."""
        cdef uint32_t row
        found = self.found.get(label)
        if found is not None:
            row = found[0]
            # Another master may have given it to somebody else.
            if self.rows[row].serial == found[1] and load32(&self.rows[row].state) != ROW_FREE:
                return row
        kind, name = label
        key = label_key(kind, name)
        if self.unlisted is None:
            self.unlisted = self.known()
        if key not in self.unlisted:
            self.unlisted[key] = self.give_row(kind, name, key)
        row = self.unlisted[key]
        if row != ROW_OVERFLOW:
            self.found[label] = (row, self.rows[row].serial)
        return row

    cdef dict known(self):
        """Row by label key of every row that has labels."""
        cdef uint32_t row
        cdef dict found = {}
        for row in range(<uint32_t>ROW_FIRST, self.head.rows_used):
            if load32(&self.rows[row].state) != ROW_FREE:
                found[(<char*>self.rows[row].hash)[:16]] = row
        return found

    cdef uint32_t give_row(self, str kind, str name, bytes key) except? 0:
        """A row that nobody has; row 1 when there is none."""
        cdef uint32_t row
        cdef uint32_t used = self.head.rows_used
        if self.full:
            return ROW_OVERFLOW
        if used < self.head.rows:
            _name_row(&self.rows[used], kind, name, 1)
            store32(&self.head.rows_used, used + 1)
            return used
        for row in range(<uint32_t>ROW_FIRST, used):
            if load32(&self.rows[row].state) == ROW_FREE:
                _name_row(&self.rows[row], kind, name, self.rows[row].serial + 1)
                return row
        self.full = True
        return ROW_OVERFLOW

    def expire(self, now_s: int, after_s: int = KEPT_S) -> int:
        """Free the rows whose labels vanished so long ago, unless a gauge says that somebody
        still counts there (a tunnel); how many were freed."""
        cdef uint32_t row
        cdef RowEntry* e
        cdef char* free
        marks = bytearray(self.head.rows)
        free = marks
        freed = 0
        for row in range(<uint32_t>ROW_FIRST, self.head.rows_used):
            e = &self.rows[row]
            if load32(&e.state) == ROW_VANISHED and e.vanished_s + after_s <= now_s and (
                not self.in_use(row)
            ):
                free[row] = 1
                freed += 1
        if freed:
            self.clear_rows(free)
            self.found.clear()  # labels that are gone for good
        return freed

    cdef bint in_use(self, uint32_t row) noexcept:
        """Whether a gauge of the row is not 0 in some column."""
        cdef uint32_t c, i
        cdef uint64_t* cells
        for c in range(self.head.columns):
            cells = self.column_cells(c) + <uint64_t>row * ROW_CELLS
            for i in range(<uint32_t>ROW_COUNTERS, <uint32_t>ROW_CELLS):
                if load64(&cells[i]):
                    return True
        return False

    cdef void clear_rows(self, const char* free) noexcept:
        """Zero the cells of the rows that are marked, and the sparse ones that cross them, in
        every column; then they are free."""
        cdef uint32_t c, i, row
        cdef uint64_t* cells
        cdef uint64_t* sparse
        self.begin_fold()
        for c in range(self.head.columns):
            if load32(&self.columns[c].state) == COLUMN_FREE:
                continue  # all zero, and perhaps never touched
            cells = self.column_cells(c)
            sparse = cells + <uint64_t>self.head.rows * ROW_CELLS
            for row in range(<uint32_t>ROW_FIRST, self.head.rows_used):
                if free[row]:
                    memset(&cells[<uint64_t>row * ROW_CELLS], 0, ROW_CELLS * 8)
            for i in range(self.head.sparse):
                row = self.keys[i] >> 24 & 0xFFFFFF
                if self.keys[i] and row < self.head.rows and free[row]:
                    store64(&sparse[i], 0)
        self.end_fold()
        for row in range(<uint32_t>ROW_FIRST, self.head.rows_used):
            if free[row]:
                store32(&self.rows[row].state, ROW_FREE)


cdef void _move(uint64_t* to, uint64_t* cell) noexcept:
    """Add before clearing: a death in between counts twice, never less."""
    store64(to, to[0] + cell[0])
    store64(cell, 0)


def label_key(kind: str, name: str) -> bytes:
    """What a row is found by."""
    return blake2b(f"{kind} {name}".encode(), digest_size=16).digest()


cdef int _name_row(RowEntry* e, str kind, str name, uint64_t serial) except -1:
    """Write a row's labels; it is used from then on."""
    cdef bytes key = label_key(kind, name)
    cdef bytes text = f"{kind} {name}".encode()[:LABEL_BYTES]
    memcpy(e.hash, <const char*>key, 16)
    memcpy(e.text, <const char*>text, len(text))
    e.text_n = len(text)
    e.kind_n = len(kind.encode())
    e.serial = serial
    e.vanished_s = 0
    store32(&e.state, ROW_USED)
    return 0


# -- a process's own cells ---------------------------------------------------------------------

@cython.final
cdef class Column:
    """See statistics.pxd."""

    def __init__(self, Statistics statistics not None, index: int) -> None:
        if not 0 < index < statistics.head.columns:
            raise IndexError(f"column {index}")
        self.statistics = statistics
        self.index = index
        self.entry = &statistics.columns[index]
        self.cells = statistics.column_cells(index)
        self.rows = statistics.head.rows
        self.sparse_cells = self.cells + <uint64_t>self.rows * ROW_CELLS

    cdef uint32_t sparse_cell(self, uint16_t metric, uint32_t row, uint32_t other) noexcept nogil:
        """The cell of a crossing, claimed if nobody has; the overflow cell when it is full."""
        cdef uint64_t key = <uint64_t>metric << 48 | <uint64_t>(row & 0xFFFFFF) << 24 | (
            other & 0xFFFFFF
        )
        cdef uint32_t most = self.statistics.head.sparse
        cdef uint64_t* keys = self.statistics.keys
        cdef uint32_t at = <uint32_t>((key * 0x9E3779B97F4A7C15ULL) >> 32) & (most - 1)
        cdef uint32_t _i
        cdef uint64_t found
        for _i in range(<uint32_t>PROBES):
            if at != SPARSE_OVERFLOW:
                found = load64(&keys[at])
                if found == key or (found == 0 and self.claim(at, key)):
                    return at
            at = (at + 1) & (most - 1)
        self.sparse_lost += 1
        return SPARSE_OVERFLOW

    cdef bint claim(self, uint32_t at, uint64_t key) noexcept nogil:
        """Take a free cell; another process may have been faster, with the same crossing."""
        cdef uint64_t* keys = self.statistics.keys
        return swap64(&keys[at], 0, key) or load64(&keys[at]) == key

    # -- from Python ----------------------------------------------------------------------

    @property
    def draining(self) -> bool:
        """Whether the master said that the gateway ends."""
        return bool(load32(&self.entry.orders) & ORDER_DRAIN)

    def beat(self, now_ms: int) -> None:
        """Write the heartbeat."""
        store64(&self.entry.beat_ms, now_ms)

    def set_generation(self, number: int) -> None:
        """Say which plan is served."""
        store64(&self.entry.generation, number)

    def add(self, row: int, cell: int, n: int) -> None:
        """Add to a counter or gauge."""
        if not (0 <= row < self.rows and 0 <= cell < ROW_CELLS):
            raise IndexError(f"row {row}, cell {cell}")
        count(self, row, cell, <uint64_t><int64_t>n)

    def add_sparse(self, metric: int, row: int, other: int, n: int) -> None:
        """Add to the counter of a crossing; `metric` from 1 on."""
        if not 0 < metric < 1 << 16:
            raise ValueError(f"metric {metric}: from 1 to 65535")
        count_sparse(self, metric, row, other, n)
