"""Where metrics are counted. Generated from metrics.toml; do not edit."""


# Kinds of label rows.
cdef enum RowKind:
    ROW_ROUTE = 0
    ROW_ROUTE_REASON = 1
    ROW_UPSTREAM = 2
    ROW_ENDPOINT = 3
    ROW_ENDPOINT_REASON = 4
    ROW_WORKER = 5
    ROW_EDGE = 6
    ROW_NODE = 7
    ROW_KINDS = 8


cdef enum:
    BUCKETS = 14              # of a histogram; then one above all, then the sum


# Cells of a row of route.
cdef enum:
    ROUTE_REQUESTS = 0
    ROUTE_REQUEST_DURATION_SECONDS = 6
    ROUTE_REQUEST_BODY_BYTES = 22
    ROUTE_RESPONSE_BODY_BYTES = 23
    ROUTE_RETRIES = 24


cdef enum:
    CROSSING_ROUTE_REASON = 1


# Cells of a row of upstream.
cdef enum:
    UPSTREAM_REQUESTS = 0
    UPSTREAM_RESPONSE_HEAD_SECONDS = 6


# Cells of a row of upstream, endpoint.
cdef enum:
    ENDPOINT_ATTEMPTS = 0
    ENDPOINT_FAILURES = 1
    ENDPOINT_OPEN_ATTEMPTS = 40
    ENDPOINT_IDLE_CONNECTIONS = 41
    ENDPOINT_BUSY_CONNECTIONS = 42


cdef enum:
    CROSSING_ENDPOINT_REASON = 2


# Cells of a row of worker.
cdef enum:
    WORKER_CONNECTIONS = 40
    WORKER_CONNECTIONS_ACCEPTED = 0
    WORKER_CONNECTIONS_TIMED_OUT = 1
    WORKER_EXCHANGES = 41
    WORKER_BUFFER_BYTES = 42
    WORKER_BUFFERS_REFUSED = 2
    WORKER_SENDS = 3
    WORKER_RECEIVES = 4
    WORKER_WAKEUPS = 5
    WORKER_LOG_LINES = 6
    WORKER_LOG_LINES_DROPPED = 7
    WORKER_GENERATION = 43
    WORKER_LOOP_LAG_SECONDS = 8
    WORKER_COLLECTOR_PAUSE_SECONDS = 24


# Cells of a row of worker.
cdef enum:
    EDGE_TLS_HANDSHAKES = 0
    EDGE_TLS_RESUMED = 1
    EDGE_TLS_FAILURES = 2
    EDGE_TLS_TIMEOUTS = 3
    EDGE_ADDRESS_REFUSED = 4
    EDGE_ADDRESS_UNCOUNTED = 5
    EDGE_PROXY_REFUSED = 6
    EDGE_UPSTREAMS_UNVERIFIED = 40


# Cells of a row of the node.
cdef enum:
    NODE_WORKERS = 40
    NODE_WORKER_RESTARTS = 0
    NODE_RELOADS = 1
    NODE_RELOAD_FAILURES = 2
    NODE_CONTROL_RESTARTS = 3
    NODE_START_TIME_SECONDS = 41
    NODE_LOG_BYTES = 4
    NODE_LOG_ERRORS = 5
    NODE_STATISTICS_ROWS = 42
