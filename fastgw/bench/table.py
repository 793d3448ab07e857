"""The result of a load as lines that a person reads."""

from __future__ import annotations

from typing import Any

ERRORS = {
    "connect_errors": "connections that were refused",
    "tls_errors": "TLS handshakes that failed",
    "status_errors": "answers with another status",
    "body_errors": "answers with another body",
    "resets": "connections that ended within an answer",
    "timeouts": "answers that did not come in time",
    "unsent": "requests for which no connection became free",
}


def time_text(us: float) -> str:
    """Microseconds with a unit that suits them."""
    if us < 1000:
        return f"{us:.0f} us"
    return f"{us / 1000:.2f} ms" if us < 1_000_000 else f"{us / 1e6:.2f} s"


def latency_line(name: str, found: dict[str, float]) -> str:
    """Quantiles on one line."""
    parts = [
        f"{label} {time_text(found[key])}"
        for label, key in (
            ("mean", "mean_us"),
            ("p50", "p50_us"),
            ("p90", "p90_us"),
            ("p99", "p99_us"),
            ("p99.9", "p999_us"),
            ("max", "max_us"),
        )
    ]
    return f"{name:9} " + "  ".join(parts)


def rendered(result: dict[str, Any]) -> str:
    """A few lines: how many, how fast, what went wrong."""
    lines = [
        f"requests  {result['requests']:,} in {result['seconds']:.2f} s: {result['rps']:,.0f}/s, "
        f"{result['bytes_in'] / max(result['seconds'], 1e-9) / 1e6:.1f} MB/s",
        latency_line("latency", result),
    ]
    if "service" in result:
        lines.append(latency_line("service", result["service"]) + "  (from when it was sent)")
    if "cpu_us" in result:
        lines.append(
            f"gateway   {result['cpu_us']:.2f} us of CPU a request, "
            f"{result['pss_peak'] / 2**20:.1f} MiB at its peak"
        )
    if result["handshakes"]:
        lines.append(
            f"TLS       {result['handshakes']:,} handshakes, {result['resumed']:,} resumed"
        )
    if result["reopened"]:
        lines.append(f"reopened  {result['reopened']:,} connections that the other side ended")
    if result["errors"]:
        lines.append(f"ERRORS    {result['errors']:,}")
        lines += [f"          {result[k]:,} {text}" for k, text in ERRORS.items() if result[k]]
    return "\n".join(lines)
