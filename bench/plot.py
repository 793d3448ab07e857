"""Drawings of results, as SVG that needs nothing but a browser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bench.outcome import Outcome
from bench.statistics import ratios

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 30, 50
#: Colours that stay apart for most eyes; fastgw has the first one.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666")
#: Shares of the x axis of a latency drawing.
SHARES = (0.5, 0.9, 0.99, 0.999, 0.9999)
STYLE = "font-family='sans-serif' font-size='12'"


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "#222") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{colour}'>"
        f"{escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = "#ddd") -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'/>"


def _svg(parts: Sequence[str], height: int = HEIGHT) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' {STYLE}>\n"
        f"<rect width='{WIDTH}' height='{height}' fill='white'/>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _nines(share: float) -> float:
    """Place of a share on an axis where each nine has the same room."""
    return -math.log10(max(1 - share, 1e-6))


def _curve(buckets: Sequence[Sequence[int]]) -> list[tuple[float, float]]:
    """(share of requests, latency in us) along a distribution."""
    total = sum(count for _, count in buckets)
    seen, points = 0, []
    for value, count in buckets:
        points.append((seen / total, value / 1e3))
        seen += count
    return points


def _time_label(us: float) -> str:
    return f"{us:g} us" if us < 1000 else f"{us / 1000:g} ms" if us < 1e6 else f"{us / 1e6:g} s"


def latency(outcome: Outcome) -> str:
    """Latency by percentile, a line for each contender; both axes logarithmic."""
    curves = {k: _curve(v) for k, v in outcome.histograms.items() if v}
    values = [us for points in curves.values() for share, us in points if share >= 0.01]
    low = 10 ** math.floor(math.log10(max(min(values, default=1), 1)))
    high = 10 ** math.ceil(math.log10(max(max(values, default=10), low * 10)))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(share: float) -> float:
        return LEFT + (right - LEFT) * min(_nines(share) / 4.2, 1)

    def y(us: float) -> float:
        part = (math.log10(max(us, low)) - math.log10(low)) / math.log10(high / low)
        return bottom - (bottom - TOP) * min(part, 1)

    parts = [_text(LEFT, 18, f"{outcome.name}: latency by percentile")]
    decade = low
    while decade <= high:
        parts += [_line(LEFT, y(decade), right, y(decade)),
                  _text(LEFT - 6, y(decade) + 4, _time_label(decade), "end")]  # fmt: skip
        decade *= 10
    for share in SHARES:
        parts += [_line(x(share), TOP, x(share), bottom),
                  _text(x(share), bottom + 18, f"{share * 100:g} %", "middle")]  # fmt: skip
    for i, (label, points) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x(s):.1f},{y(us):.1f}" for s, us in points)
        parts += [f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='1.8'/>",
                  _text(right + 10, TOP + 14 + 18 * i, label, colour=colour)]  # fmt: skip
    return _svg(parts)


def ratios_drawing(outcomes: Sequence[Outcome]) -> str:
    """CPU a request of each scenario's subject over each of its contenders, with intervals."""
    found = []
    for outcome in outcomes:
        ours = outcome.column(outcome.subject, "cpu_us")
        for label in outcome.samples:
            theirs = outcome.column(label, "cpu_us")
            if label != outcome.subject and ours and len(ours) == len(theirs):
                found.append((outcome.name, label, ratios(ours, theirs)))
    left, right, step = 230, WIDTH - 60, 20
    height = TOP + step * len(found) + 40
    most = max([1.2, *(min(r.high, 4) for _, _, r in found)])

    def x(ratio: float) -> float:
        return left + (right - left) * min(ratio, most) / most

    parts = [_text(10, 18, "CPU a request: fastgw / contender (less is better, 1 = the same)")]
    for mark in (0.25, 0.5, 0.75, 1.0):
        parts += [_line(x(mark), TOP, x(mark), height - 25, "#888" if mark == 1 else "#ddd"),
                  _text(x(mark), height - 8, f"{mark:g}", "middle")]  # fmt: skip
    for i, (name, label, ratio) in enumerate(found):
        y = TOP + step * i + 14
        colour = COLOURS[0] if ratio.high <= 1 else COLOURS[1]
        parts += [
            _text(left - 8, y + 4, f"{name} / {label}", "end"),
            f"<rect x='{left}' y='{y - 5}' width='{x(ratio.median) - left:.1f}' height='10' "
            f"fill='{colour}' fill-opacity='0.35'/>",
            _line(x(ratio.low), y, x(ratio.high), y, colour),
            f"<circle cx='{x(ratio.median):.1f}' cy='{y}' r='3' fill='{colour}'/>",
            _text(x(max(ratio.high, ratio.median)) + 6, y + 4, f"{ratio.median:.2f}"),
        ]
    return _svg(parts, height)


def over_time(
    points: Sequence[tuple[float, float, int]], events: Sequence[tuple[float, str]]
) -> str:
    """p99 (ms) and failures of (time in s, p99, failures), with what happened meanwhile."""
    end_s = max((at for at, _, _ in points), default=1.0) or 1.0
    most_ms = max((p99 for _, p99, _ in points), default=1.0) or 1.0
    most = max((failed for _, _, failed in points), default=0) or 1

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at / end_s

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    parts = [_line(LEFT, y(0), WIDTH - RIGHT, y(0), "#222"), _line(LEFT, y(0), LEFT, y(1), "#222")]
    for i, (at, name) in enumerate(events):
        parts.append(_line(x(at), y(0), x(at), y(1)))
        parts.append(_text(x(at), TOP - 4 - 10 * (i % 2), name, "middle", "#666"))
    line = " ".join(f"{x(at):.1f},{y(p99 / most_ms):.1f}" for at, p99, _ in points)
    parts.append(f"<polyline points='{line}' fill='none' stroke='{COLOURS[0]}'/>")
    for at, _, failed in points:
        if failed:
            parts.append(_line(x(at), y(0), x(at), y(failed / most), COLOURS[1]))
    parts += [
        _text(LEFT - 6, y(1) + 4, f"{most_ms:.0f} ms", "end"),
        _text(LEFT - 6, y(0) + 4, "0", "end"),
        _text(WIDTH - RIGHT, HEIGHT - BOTTOM + 18, f"{end_s:.0f} s", "end"),
        _text(WIDTH - RIGHT + 8, y(0.9), "p99", "start", COLOURS[0]),
        _text(WIDTH - RIGHT + 8, y(0.8), f"failures (most: {most})", "start", COLOURS[1]),
    ]
    return _svg(parts)
