"""Where metrics are counted. Generated from metrics.toml; do not edit."""


# Kinds of label rows.
cdef enum RowKind:
    ROW_ROUTE = 0
    ROW_ROUTE_REASON = 1
    ROW_UPSTREAM = 2
    ROW_ENDPOINT = 3
    ROW_ENDPOINT_REASON = 4
    ROW_WORKER = 5
    ROW_NODE = 6
    ROW_KINDS = 7


cdef enum:
    BUCKETS = 14              # of a histogram; then one above all, then the sum


# Cells of a row of route.
cdef enum:
    ROUTE_REQUESTS = 0
    ROUTE_REQUEST_DURATION_SECONDS = 6
    ROUTE_REQUEST_BODY_BYTES = 22
    ROUTE_RESPONSE_BODY_BYTES = 23
    ROUTE_RETRIES = 24
    ROUTE_CELLS = 25


# Cells of a row of route, reason.
cdef enum:
    ROUTE_REASON_REQUEST_REASONS = 0
    ROUTE_REASON_CELLS = 1


# Cells of a row of upstream.
cdef enum:
    UPSTREAM_REQUESTS = 0
    UPSTREAM_RESPONSE_HEAD_SECONDS = 6
    UPSTREAM_CELLS = 22


# Cells of a row of upstream, endpoint.
cdef enum:
    ENDPOINT_ATTEMPTS = 0
    ENDPOINT_FAILURES = 1
    ENDPOINT_OPEN_ATTEMPTS = 2
    ENDPOINT_IDLE_CONNECTIONS = 3
    ENDPOINT_BUSY_CONNECTIONS = 4
    ENDPOINT_CELLS = 5


# Cells of a row of upstream, endpoint, reason.
cdef enum:
    ENDPOINT_REASON_ATTEMPT_FAILURES = 0
    ENDPOINT_REASON_CELLS = 1


# Cells of a row of worker.
cdef enum:
    WORKER_CONNECTIONS = 0
    WORKER_CONNECTIONS_ACCEPTED = 1
    WORKER_CONNECTIONS_TIMED_OUT = 2
    WORKER_EXCHANGES = 3
    WORKER_BUFFER_BYTES = 4
    WORKER_BUFFERS_REFUSED = 5
    WORKER_SENDS = 6
    WORKER_RECEIVES = 7
    WORKER_WAKEUPS = 8
    WORKER_LOG_LINES = 9
    WORKER_LOG_LINES_DROPPED = 10
    WORKER_GENERATION = 11
    WORKER_LOOP_LAG_SECONDS = 12
    WORKER_COLLECTOR_PAUSE_SECONDS = 28
    WORKER_CELLS = 44


# Cells of a row of the node.
cdef enum:
    NODE_WORKERS = 0
    NODE_WORKER_RESTARTS = 1
    NODE_RELOADS = 2
    NODE_RELOAD_FAILURES = 3
    NODE_CONTROL_RESTARTS = 4
    NODE_START_TIME_SECONDS = 5
    NODE_LOG_BYTES = 6
    NODE_LOG_ERRORS = 7
    NODE_STATISTICS_ROWS = 8
    NODE_CELLS = 9
