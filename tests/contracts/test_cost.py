"""An exchange is one object from a freelist that the collector never looks at."""

from __future__ import annotations

from fastgw.ext.exchange import attempts, contract, ends, exchange, request_side, response_side

GC_FLAG = 1 << 14  # Py_TPFLAGS_HAVE_GC


def test_no_class_of_the_exchange_is_collected_or_larger_than_the_freelist_takes() -> None:
    classes = (
        contract.Exchange,
        ends.Ends,
        response_side.ResponseSide,
        attempts.Attempts,
        request_side.RequestSide,
        exchange.LiveExchange,
    )
    for one in classes:
        assert not one.__flags__ & GC_FLAG, one
        assert one.__basicsize__ == contract.Exchange.__basicsize__, one
