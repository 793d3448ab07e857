"""`fastgw bench URL`: a load on whatever answers there."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastgw.bench.address import Address, address
from fastgw.bench.messages import FIELDS, frame, handshake, pattern, request
from fastgw.bench.mix import read_mix
from fastgw.bench.process import raise_nofile
from fastgw.bench.replay import read_replay
from fastgw.bench.result import summary
from fastgw.bench.spec import LoadSpec, Request, Tls
from fastgw.ext.load.load import Load


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; see its help."""

    url: str
    connections: int = 64
    seconds: float = 10.0
    warmup_s: float = 1.0
    rate: float = 0.0
    depth: int = 1
    threads: int = 1
    new_connection: bool = False
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    message_bytes: int = 64
    events: bool = False
    mix: Path | None = None
    replay: Path | None = None
    speed: float = 1.0
    verify: bool = True
    ca: str = ""
    tls_resume: bool = False
    timeout_s: float = 10.0


def load_spec(o: Options) -> LoadSpec:
    """The load that the options describe. ValueError and OSError say what is wrong."""
    to = address(o.url)
    spec = LoadSpec(
        to.ip,
        to.port,
        [],
        connections=o.connections,
        rate=o.rate,
        depth=o.depth,
        new_connection=o.new_connection,
        tls=Tls(to.host, o.verify, o.ca, o.tls_resume) if to.tls else None,
        events=o.events,
        timeout_s=o.timeout_s,
    )
    if to.websocket:
        message = pattern(o.message_bytes)
        return dataclasses.replace(
            spec,
            requests=[Request(frame(message), message)],
            upgrade=handshake(to.target, to.authority),
        )
    if o.mix:
        requests, order = read_mix(o.mix, to.authority)
        return dataclasses.replace(spec, requests=requests, order=order)
    if o.replay:
        with o.replay.open(errors="replace") as lines:
            found = read_replay(lines, to.authority, o.speed)
        return dataclasses.replace(
            spec, requests=found.requests, order=found.order, due_ns=found.due_ns
        )
    return dataclasses.replace(spec, requests=[one_request(o, to)])


def one_request(o: Options, to: Address) -> Request:
    """The one request that is sent again and again."""
    data = request(
        to.target,
        to.authority,
        method=o.method,
        fields=[*FIELDS["curl"], *o.headers],
        body=o.body,
        close=o.new_connection,
    )
    return Request(data, no_body=o.method == "HEAD")


def shared_out(spec: LoadSpec, threads: int) -> list[LoadSpec]:
    """The load in as many parts as threads; a replay has one only."""
    if spec.due_ns is not None:
        threads = 1
    threads = min(threads, spec.connections)
    return [
        dataclasses.replace(
            spec,
            connections=spec.connections // threads + (i < spec.connections % threads),
            rate=spec.rate / threads,
        )
        for i in range(threads)
    ]


class Progress:
    """Runs loads in threads and tells how far they are."""

    def __init__(self, loads: Sequence[Load], seconds: float) -> None:
        self.loads, self.seconds = loads, seconds
        self.wrong: list[BaseException] = []
        self.threads = [threading.Thread(target=self._run, args=(each,)) for each in loads]

    def _run(self, load: Load) -> None:
        try:
            load.run(self.seconds)
        except BaseException as e:
            self.wrong.append(e)

    def __enter__(self) -> Progress:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if exc[0] is not None:
            for load in self.loads:
                load.halt()
        for thread in self.threads:
            thread.join()
        if self.wrong and exc[0] is None:
            raise self.wrong[0]

    def going(self, every_s: float = 0.1) -> bool:
        """Wait a little; whether any is still at it."""
        self.threads[0].join(every_s)
        return any(thread.is_alive() for thread in self.threads)

    def done(self) -> int:
        """Right answers so far."""
        return sum(load.done for load in self.loads)


def warmed(o: Options) -> list[Load]:
    """Loads whose connections are open and have been used. OSError when nobody answers."""
    raise_nofile()
    spec = load_spec(o)
    loads = [part.load() for part in shared_out(spec, o.threads)]
    for load in loads:
        if load.connect(min(5.0, o.timeout_s)) == 0:
            raise OSError(f"no connection to {o.url}: {_why(load)}")
    if spec.due_ns is None and o.warmup_s > 0:
        with Progress(loads, o.warmup_s) as warming:
            while warming.going():
                pass
    for load in loads:
        load.clear()
    return loads


def _why(load: Load) -> str:
    counted = load.counted()
    if counted["tls_errors"]:
        return "the TLS handshake failed (its certificate is checked; --insecure leaves that out)"
    if counted["status_errors"]:
        return "the WebSocket handshake was refused"
    return "refused, or no answer in time"


def progress_bar(loads: Sequence[Load], seconds: float, show: bool) -> None:
    """Run the loads behind a bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    bar = Bar(*columns, console=console, transient=True, disable=not show)
    with bar, Progress(loads, seconds) as running:
        task = bar.add_task("", total=seconds)
        begin, before = time.monotonic(), 0
        while running.going():
            done = running.done()
            took = time.monotonic() - begin
            bar.update(task, completed=took, description=f"{(done - before) * 10:,}/s")
            before = done


def run(o: Options, show: bool = True) -> dict[str, Any]:
    """Put the load on; `fastgw.bench.result.summary` of it."""
    loads = warmed(o)
    spec_seconds = o.seconds if o.replay is None else 1e9
    progress_bar(loads, spec_seconds, show)
    return summary(loads, buckets=True)
