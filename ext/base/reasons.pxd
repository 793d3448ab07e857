"""Why an exchange ended as it did. Generated from reasons.toml; do not edit."""

from libc.stdint cimport uint8_t, uint16_t


cdef enum Reason:
    REASON_NONE = 0
    REASON_BAD_REQUEST_LINE = 1
    REASON_BAD_HEADER = 2
    REASON_BAD_FRAMING = 3
    REASON_BAD_HOST = 4
    REASON_BAD_TARGET = 5
    REASON_BAD_PATH = 6
    REASON_BAD_CHUNK = 7
    REASON_UNSUPPORTED_CODING = 8
    REASON_UNSUPPORTED_METHOD = 9
    REASON_UNSUPPORTED_VERSION = 10
    REASON_TARGET_TOO_LONG = 11
    REASON_HEAD_TOO_LARGE = 12
    REASON_BODY_TOO_LARGE = 13
    REASON_EXPECTATION_FAILED = 14
    REASON_HEAD_TIMEOUT = 15
    REASON_BODY_TIMEOUT = 16
    REASON_CLIENT_EOF = 17
    REASON_CLIENT_RESET = 18
    REASON_CLIENT_STALLED = 19
    REASON_KEEPALIVE_TIMEOUT = 20
    REASON_TUNNEL_IDLE = 21
    REASON_NO_ROUTE = 22
    REASON_METHOD_NOT_ALLOWED = 23
    REASON_NO_ENDPOINT = 24
    REASON_MEMORY = 25
    REASON_DRAINING = 26
    REASON_FIXED_REPLY = 27
    REASON_IP_DENIED = 28
    REASON_POLICY_REPLY = 29
    REASON_POLICY_FAILED = 30
    REASON_POLICY_TIMEOUT = 31
    REASON_REQUEST_TIMEOUT = 32
    REASON_INTERNAL = 33
    REASON_CONNECT_REFUSED = 34
    REASON_CONNECT_TIMEOUT = 35
    REASON_CONNECT_FAILED = 36
    REASON_UPSTREAM_RESET = 37
    REASON_UPSTREAM_RESET_AMBIGUOUS = 38
    REASON_UPSTREAM_TRUNCATED = 39
    REASON_UPSTREAM_BAD_HEAD = 40
    REASON_UPSTREAM_BAD_FRAMING = 41
    REASON_UPSTREAM_BAD_CHUNK = 42
    REASON_UPSTREAM_HEAD_TOO_LARGE = 43
    REASON_UPSTREAM_BODY_TOO_LARGE = 44
    REASON_RESPONSE_HEAD_TIMEOUT = 45
    REASON_UPSTREAM_STALLED = 46
    REASON_CANCELLED = 47
    REASONS = 48


cdef enum DecidedBy:
    BY_NOBODY = 0
    BY_HTTP = 1
    BY_DEADLINE = 2
    BY_CLIENT = 3
    BY_ROUTE = 4
    BY_BALANCE = 5
    BY_LIMIT = 6
    BY_WORKER = 7
    BY_POLICY = 8
    BY_UPSTREAM = 9
    BY_EXCHANGE = 10


cdef enum ReasonSide:
    SIDE_NONE, SIDE_CLIENT, SIDE_GATEWAY, SIDE_UPSTREAM


cdef struct ReasonRow:
    const char* name
    const char* title
    uint16_t status             # 0: nothing can be answered
    uint8_t side                # ReasonSide
    uint8_t decided_by          # DecidedBy
    uint8_t name_n
    uint8_t title_n


cdef const ReasonRow* reason_row(int reason) noexcept nogil
cdef const char* decider_name(int decided_by) noexcept nogil
