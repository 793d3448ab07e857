"""Rows that metrics are counted in; see rows.pxd."""

from cpython.bytes cimport PyBytes_AS_STRING
from fastgw.ext.base.atomics cimport load32
from fastgw.ext.base.reasons cimport reason_row
from fastgw.ext.record.catalogue import CELLS, COUNTERS, OVERFLOW, read_catalogue
from fastgw.ext.shm.statistics import label_key
from fastgw.ext.shm.statistics cimport (
    LABEL_BYTES, ROW_CELLS, ROW_COUNTERS, ROW_OVERFLOW, RowEntry,
)

assert CELLS == ROW_CELLS and COUNTERS == ROW_COUNTERS, "rows have other cells than the catalogue"


cdef class Rows:
    """See rows.pxd."""

    cdef uint64_t* row(self, int kind, bytes name) except NULL:
        """The cells of an identity."""
        raise NotImplementedError

    cdef uint64_t* crossing(self, int number, uint64_t* row, int other) noexcept:
        """The cell of a row and something else; NULL without memory."""
        return NULL


cdef class LocalRows(Rows):
    """See rows.pxd."""

    def __cinit__(self):
        self.found = {}
        self.crossings = {}

    cdef uint64_t* row(self, int kind, bytes name) except NULL:
        cells = self.found.get((kind, name))
        if cells is None:
            cells = self.found[kind, name] = bytes(8 * ROW_CELLS)
        return <uint64_t*>PyBytes_AS_STRING(cells)

    cdef uint64_t* crossing(self, int number, uint64_t* row, int other) noexcept:
        try:
            key = (number, <size_t>row, other)
            cell = self.crossings.get(key)
            if cell is None:
                # A bytes object of one byte would be everybody's.
                cell = self.crossings[key] = bytes(8)
            return <uint64_t*>PyBytes_AS_STRING(cell)
        except MemoryError:
            return NULL

    def rows(self) -> dict:
        """See rows.pyi."""
        kinds = read_catalogue()
        read = {}
        names = {}
        for (number, name), cells in self.found.items():
            labels = tuple(name.decode("utf-8", "replace").split("\x1f"))
            names[<size_t>PyBytes_AS_STRING(cells)] = labels
            numbers = memoryview(cells).cast("q").tolist()
            read.setdefault(kinds[number].name, []).append((labels, numbers))
        for (number, row, other), cell in self.crossings.items():
            kind = next(k for k in kinds if k.crossing == number)
            labels = (*names[row], reason_row(other).name.decode())
            read.setdefault(kind.name, []).append((labels, memoryview(cell).cast("q").tolist()))
        return read


cdef class SharedRows(Rows):
    """See rows.pxd."""

    def __init__(self, Column column not None) -> None:
        self.column = column
        self.found = {}
        self.serials = []
        self.texts = []
        self.refresh()

    def refresh(self) -> None:
        """See rows.pyi."""
        cdef Statistics s = self.column.statistics
        cdef RowEntry* e
        cdef uint32_t i
        cdef uint32_t n = load32(&s.head.rows_used)
        while len(self.serials) < n:
            self.serials.append(None)
            self.texts.append(None)
        for i in range(n):
            e = &s.rows[i]
            if e.serial != self.serials[i]:
                # Whose row it was must not be counted here any more.
                if self.found.get(self.texts[i]) == i:
                    del self.found[self.texts[i]]
                short = e.text_n < LABEL_BYTES
                text = (<char*>e.text)[:e.text_n] if short else (<char*>e.hash)[:16]
                self.serials[i], self.texts[i], self.found[text] = e.serial, text, i

    cdef uint64_t* row(self, int kind, bytes name) except NULL:
        """An identity that got no row shares its kind's."""
        row = self.index(read_catalogue()[kind].name, name)
        if row is None:
            row = self.index(read_catalogue()[kind].name, OVERFLOW)
        return self.column.cells + <uint64_t>(row or ROW_OVERFLOW) * ROW_CELLS

    def find(self, kind: str, name: str) -> int | None:
        """See rows.pyi."""
        return self.index(kind, name.encode())

    cdef object index(self, str kind, bytes name):
        """The row of a kind and name, or None."""
        cdef bytes text = kind.encode() + b" " + name
        if len(text) < LABEL_BYTES:
            return self.found.get(text)
        return self.found.get(label_key(kind, name.decode("utf-8", "replace")))

    cdef uint64_t* crossing(self, int number, uint64_t* row, int other) noexcept:
        cdef uint32_t index = (row - self.column.cells) // ROW_CELLS
        return self.column.sparse_cells + self.column.sparse_cell(number, index, other)
