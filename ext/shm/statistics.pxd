"""Statistics: counters and gauges of all processes, in one mutable segment.

    header | column entries | row entries | sparse keys | columns of cells

A *row* is a set of labels (a route, an endpoint, ...): 40 counters and 8 gauges; which cell
means what belongs to the kind of row (record/metrics.toml). A *sparse* cell is for
crossings most of which never occur (route x reason): claimed by one compare-and-swap at
first use. A *column* is one incarnation of one process, the only writer of its cells, so
that counting is an add to ordinary memory; readers sum over the columns.

The master owns rows and columns. When a process is dead, it adds its counters to column 0
(*retired*) and clears its gauges: gauges never stick, sums never fall. Rows are found by
label, kept over reloads, and given to other labels 10 minutes after theirs vanished. When
all are taken, labels share row 1 (*overflow*).
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from fastgw.ext.base.atomics cimport cell_add, load64
from fastgw.ext.shm.segment cimport Segment, SegmentHeader


cpdef enum:
    STATISTICS_LAYOUT = 1
    ROW_COUNTERS = 40           # cells 0..39 of a row only grow
    ROW_GAUGES = 8              # cells 40..47 go up and down, two's complement
    ROW_CELLS = 48              # 384 bytes: rows never share a cache line
    ROW_PROCESS = 0             # of the process itself
    ROW_OVERFLOW = 1            # of labels past the cap
    ROW_FIRST = 2               # the first that is given to labels
    COLUMN_RETIRED = 0          # what dead processes had counted
    SPARSE_OVERFLOW = 0         # the sparse cell of crossings past the cap
    LABEL_BYTES = 216           # of a row's text; longer ones are cut, the hash is of all


cdef enum ColumnState:
    COLUMN_FREE
    COLUMN_LIVE                 # its process counts
    COLUMN_FOLDING              # its process is dead, the master adds it to `retired`


cdef enum RowState:
    ROW_FREE
    ROW_USED                    # named by the running generation
    ROW_VANISHED                # was, until `vanished_s`


cdef struct StatisticsHeader:
    SegmentHeader segment
    uint32_t columns            # how many there can be, `retired` included
    uint32_t rows               # likewise
    uint32_t sparse             # sparse cells of a column, a power of two
    uint32_t rows_used          # rows from here on were never given to anyone
    uint32_t folds              # odd while the master folds: a reader begins again
    uint32_t unused
    uint64_t column_bytes       # of one column, a multiple of 4096
    uint64_t at_columns         # offset of the column entries
    uint64_t at_rows            # of the row entries
    uint64_t at_keys            # of the sparse keys
    uint64_t at_cells           # of column 0
    uint64_t incarnations       # processes that ever had a column


# A process's words besides its cells. A cache line: the process writes, others read.
cdef struct ColumnEntry:
    uint32_t state              # ColumnState; the master's
    uint32_t pid                # the master's
    uint32_t slot               # of a worker; NO_SLOT of other roles
    uint32_t role               # 0 worker, 1 control, 2 master
    uint64_t incarnation        # counts up, never used twice
    uint64_t beat_ms            # heartbeat: the process's CLOCK_MONOTONIC
    uint64_t generation         # of the plan that it serves
    uint64_t started_ms         # CLOCK_MONOTONIC
    uint32_t orders             # Orders: bits that the master sets for it
    uint32_t unused[3]


cdef enum:
    NO_SLOT = 0xFFFFFFFF


# Bits of ColumnEntry.orders.
cdef enum Orders:
    ORDER_DRAIN = 1             # the gateway ends: /readyz is red from now on


cdef struct RowEntry:
    uint32_t state              # RowState
    uint16_t text_n             # bytes of `text`
    uint8_t kind_n              # of which the kind is the first, up to and without the space
    uint8_t unused
    uint8_t hash[16]            # of "kind name", whole
    uint64_t vanished_s         # CLOCK_BOOTTIME, seconds
    uint64_t serial             # which use of the row this is: a reader sees that it changed
    char text[216]              # "kind name"


cdef class Statistics:
    """The mapped segment, for readers and for the master."""
    cdef readonly Segment segment
    cdef StatisticsHeader* head
    cdef ColumnEntry* columns
    cdef RowEntry* rows
    cdef uint64_t* keys               # 0 = free; metric << 48 | row << 24 | other
    cdef char* cells
    # -- the master's ---------------------------------------------------------------
    cdef dict found                   # (kind, name) -> (row, serial) that it had last
    cdef dict unlisted                # label key -> row of all rows; while `assign` needs it
    cdef bint full                    # no row is free; while `assign` runs

    cdef uint64_t* column_cells(self, uint32_t column) noexcept
    cdef void sum_rows(self, uint64_t* out, uint64_t n) noexcept
    cdef uint64_t sparse_sum(self, uint32_t i) noexcept
    # -- the master's ---------------------------------------------------------------
    cdef void begin_fold(self) noexcept
    cdef void end_fold(self) noexcept
    cdef void fold_cells(self, uint32_t column) noexcept
    cdef dict known(self)
    cdef uint32_t row_of(self, tuple label) except? 0
    cdef uint32_t give_row(self, str kind, str name, bytes key) except? 0
    cdef bint in_use(self, uint32_t row) noexcept
    cdef void clear_rows(self, const char* free) noexcept


cdef class Column:
    """One incarnation's cells: what a worker counts with. `cell` is an index into a row."""
    cdef readonly Statistics statistics
    cdef readonly uint32_t index
    cdef ColumnEntry* entry
    cdef uint64_t* cells              # of row 0
    cdef uint64_t* sparse_cells
    cdef uint32_t rows                # bound of a row's index
    cdef readonly uint64_t sparse_lost    # crossings that went to the overflow cell

    cdef uint32_t sparse_cell(self, uint16_t metric, uint32_t row, uint32_t other) noexcept nogil
    cdef bint claim(self, uint32_t at, uint64_t key) noexcept nogil


cdef inline void count(Column c, uint32_t row, uint32_t cell, uint64_t n) noexcept nogil:
    """Add to a counter or gauge; a gauge falls by adding `<uint64_t>-n`."""
    cell_add(c.cells + <uint64_t>row * ROW_CELLS + cell, n)


cdef inline void count_sparse(
    Column c, uint16_t metric, uint32_t row, uint32_t other, uint64_t n,
) noexcept nogil:
    """Add to the counter of a crossing, for example (responses by reason, route, reason)."""
    cell_add(c.sparse_cells + c.sparse_cell(metric, row, other), n)


cdef inline uint64_t cell_of(Column c, uint32_t row, uint32_t cell) noexcept nogil:
    """What this incarnation has counted in a cell."""
    return load64(c.cells + <uint64_t>row * ROW_CELLS + cell)
