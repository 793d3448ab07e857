"""The demo's processes: two services, the gateway, and an end that leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from fastgw.demo.tries import TRIES, Try, run_try
from fastgw.ext.io.tls.self_signed import make_self_signed

CONFIG = Path(__file__).with_name("demo.yaml")
#: Addresses in demo.yaml that stand for the services' real ones.
ORDERS_ADDRESS, WEB_ADDRESS, BROKEN_ADDRESS = "127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"
#: How long the gateway may take to be ready, and to end, in seconds.
READY_S = 30.0
END_S = 1.5

_LISTENING = re.compile(r"listening on (https?)://([^:]+):(\d+)")


class DemoError(Exception):
    """The demo can't go on; the text says why."""


def play(check: bool, port: int = 0) -> int:
    """Run the demo; the exit code."""
    try:
        return asyncio.run(_play(check, port))
    except DemoError as e:
        print(f"fastgw demo: {e}", file=sys.stderr)
        return 1


async def _play(check: bool, port: int) -> int:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.set)
    with tempfile.TemporaryDirectory(prefix="fastgw-demo-") as folder:
        stage = Stage(Path(folder), port)
        try:
            await until_end(stage.begin(), end)
            if end.is_set():
                return 0
            if check:
                return await stage.check()
            stage.tell()
            await until_end(stage.gateway_ended(), end)
            return 0 if end.is_set() else 1
        finally:
            await stage.end()


async def until_end(doing: Coroutine[Any, Any, None], end: asyncio.Event) -> None:
    """Do something, unless the end comes first."""
    task, ending = asyncio.ensure_future(doing), asyncio.ensure_future(end.wait())
    done, _ = await asyncio.wait({task, ending}, return_when=asyncio.FIRST_COMPLETED)
    for one in (task, ending):
        one.cancel()
    if task in done:
        task.result()


class Stage:
    """The processes of one demo."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.host = "127.0.0.1"
        #: Of the listener with TLS, and the certificate that it shows.
        self.secure_port = 0
        self.certificate = folder / "demo-cert.pem"
        self.services: asyncio.subprocess.Process | None = None
        self.gateway: asyncio.subprocess.Process | None = None
        self.reading: asyncio.Task[None] | None = None
        self.ready = asyncio.Event()

    async def begin(self) -> None:
        """Start the services, then the gateway; return when it accepts."""
        ports = await self.begin_services()
        config = self.folder / "demo.yaml"
        config.write_text(configured(CONFIG.read_text(), ports))
        self.make_certificate()
        command = ["run", str(config), "--listen", f"127.0.0.1:{self.port}", "--workers", "1"]
        command += ["--listen", "https://127.0.0.1:0", "--tls-cert", str(self.certificate)]
        command += ["--run-dir", str(self.folder / "run"), "--timeout-drain", "1s"]
        # Nobody starts another master for it.
        command += ["--orphan-grace", "0s"]
        self.gateway = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fastgw",
            *command,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C is ours to tell: it must not end the parts in any order.
            start_new_session=True,
        )
        self.reading = asyncio.create_task(self.read_log(self.gateway))
        ready = asyncio.ensure_future(self.ready.wait())
        await asyncio.wait(
            {ready, self.reading}, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED
        )
        ready.cancel()
        if not self.ready.is_set():
            raise DemoError("the gateway did not start")

    def make_certificate(self) -> None:
        """A certificate for this demo alone, with its key in the same file."""
        certificate, key = make_self_signed(["localhost", "127.0.0.1"], days=2)
        self.certificate.touch(0o600)
        self.certificate.write_bytes(certificate + key)

    async def begin_services(self) -> dict[str, int]:
        """Start the two services; (address in demo.yaml -> real port)."""
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        ports = dict(
            zip((ORDERS_ADDRESS, WEB_ADDRESS), (s.getsockname()[1] for s in sockets), strict=True)
        )
        # A port that refuses: it was ours a moment ago, and nobody listens on it.
        with socket.create_server(("127.0.0.1", 0)) as gone:
            ports[BROKEN_ADDRESS] = gone.getsockname()[1]
        fds = [s.fileno() for s in sockets]
        self.services = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fastgw.demo.services",
            *map(str, fds),
            pass_fds=fds,
            start_new_session=True,
        )
        for s in sockets:
            s.close()
        return ports

    async def read_log(self, gateway: asyncio.subprocess.Process) -> None:
        """Learn the address and readiness from the gateway's log; show what is wrong."""
        assert gateway.stderr is not None
        async for raw in gateway.stderr:
            line = raw.decode("utf-8", "replace").rstrip()
            found = _LISTENING.search(line)
            if found and found[1] == "https":
                self.secure_port = int(found[3])
            elif found:
                self.host, self.port = found[2], int(found[3])
            if "ready with" in line:
                self.ready.set()
            if " info " not in line:
                print(line, file=sys.stderr)

    async def gateway_ended(self) -> None:
        """Wait for the gateway to end by itself, which it should not."""
        assert self.gateway is not None
        await self.gateway.wait()
        print(f"the gateway ended: exit code {self.gateway.returncode}", file=sys.stderr)

    def tell(self) -> None:
        """Print what there is and what to try."""
        base = f"http://{self.host}:{self.port}"
        secure = f"https://{self.host}:{self.secure_port}"
        print(f"The gateway listens on {base} and {secure} before two sample services. Try:\n")
        for one in TRIES:
            print(f"  # {one.title}\n  {one.curl(self.base(one), str(self.certificate))}\n")
        print(f"Its configuration: {CONFIG}\nCtrl-C ends all of it.", flush=True)

    def base(self, one: Try) -> str:
        """Where a try goes."""
        if one.tls:
            return f"https://{self.host}:{self.secure_port}"
        return f"http://{self.host}:{self.port}"

    async def check(self) -> int:
        """Run what would be printed; 1 if an answer is not as it should be."""
        wrong = 0
        for one in TRIES:
            port = self.secure_port if one.tls else self.port
            ca = str(self.certificate) if one.tls else ""
            found = await asyncio.to_thread(run_try, one, self.host, port, ca)
            wrong += bool(found)
            print(verdict(one, found))
        print(f"{len(TRIES) - wrong} of {len(TRIES)} as expected", flush=True)
        return 1 if wrong else 0

    async def end(self) -> None:
        """End both children; neither may be left."""
        for process in (self.gateway, self.services):
            if process is not None and process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
        for process in (self.gateway, self.services):
            if process is not None:
                await end_process(process)
        if self.reading is not None:
            await self.reading


async def end_process(process: asyncio.subprocess.Process) -> None:
    """Wait a moment, then insist."""
    try:
        await asyncio.wait_for(process.wait(), END_S)
    except TimeoutError:
        process.send_signal(signal.SIGQUIT)
        try:
            await asyncio.wait_for(process.wait(), 1.2)
        except TimeoutError:
            process.kill()
            await process.wait()


def verdict(one: Try, found: list[str]) -> str:
    """A line for one try."""
    return f"{'not ok' if found else 'ok'}  {one.title}" + "".join(f"\n    {f}" for f in found)


def configured(text: str, ports: dict[str, int]) -> str:
    """demo.yaml with the services' real ports."""
    for address, port in ports.items():
        text = text.replace(address, f"127.0.0.1:{port}")
    return text
