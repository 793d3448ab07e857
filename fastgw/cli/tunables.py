"""Timeouts and limits of the command line. Generated from the configuration's models; do
not edit (./dev generate)."""

from __future__ import annotations

#: Name in the configuration -> (default, what it is).
TIMEOUTS = {
    "connect": (
        "2s",
        "Connecting to one upstream address; past it another is tried.",
    ),
    "response_head": (
        "30s",
        "Request sent until the upstream's response head.",
    ),
    "idle": (
        "60s",
        "No byte moves between client and upstream.",
    ),
    "request": (
        "30s",
        "Request head until the response head, retries included.",
    ),
    "body_idle": (
        "30s",
        "No byte of a request body while the gateway is ready to read.",
    ),
    "linger": (
        "2s",
        "Reading on after an early answer, before closing.",
    ),
    "request_head": (
        "10s",
        "First byte of a request's head until the head is whole.",
    ),
    "keepalive": (
        "75s",
        "Client connection without a request.",
    ),
}
LIMITS = {
    "body": (
        "10MiB",
        "Bytes of a request body.",
    ),
    "head": (
        "32KiB",
        "Bytes of a request head, 1 KiB to 256 KiB.",
    ),
    "target": (
        "8KiB",
        "Bytes of a request target, 256 B to 64 KiB.",
    ),
    "fields": (
        "100",
        "Field lines of a head.",
    ),
    "requests": (
        "10000",
        "Requests on one client connection.",
    ),
    "memory": (
        "256MiB",
        "Bytes of all buffers of one worker, 16 MiB at the least.",
    ),
}
