"""Fuzz the parsers with libFuzzer: `python fuzz/run.py [--seconds N] [--keep] [target ...]`.

Needs clang with its fuzzer runtime. The modules are built once into `build/fuzz`, with
AddressSanitizer, UBSan and coverage counters, beside the ordinary build. A run starts from the
kept corpus (`fuzz/corpus/<target>/`) and from all wire cases; what it finds stays in
`build/fuzz/found/<target>`. `--keep` takes what reaches new code into the kept corpus.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fuzz.plan import plan  # noqa: E402
from tests.wire.cases import Case, read_cases  # noqa: E402

BUILD = ROOT / "build" / "fuzz"
LIBRARY = BUILD / "lib"
DRIVER = BUILD / "driver"
CORPUS = ROOT / "fuzz" / "corpus"
PLAN = BUILD / "plan"
TARGETS = (
    *("request", "response", "chunked", "path", "authority", "proxy", "frames", "hello"),
    "match",
)
SANITIZERS = "-fsanitize=fuzzer,address,undefined"
#: Bytes of an input: past the limits that the targets set.
MAX_LEN = 4500


def run(*command: str | Path, **environment: str) -> int:
    """Run a command with additions to the environment; its exit status."""
    return subprocess.call(
        [str(word) for word in command], cwd=ROOT, env={**os.environ, **environment}
    )


def build() -> None:
    """Build the instrumented modules and the driver, as far as they are out of date."""
    clang = "ccache clang" if shutil.which("ccache") else "clang"
    status = run(
        sys.executable,
        "setup.py",
        "-q",
        "build_ext",
        "--build-lib",
        LIBRARY,
        "--build-temp",
        BUILD / "temp",
        FASTGW_BUILD="fuzz",
        CC=clang,
        CXX=clang.replace("clang", "clang++"),
        LDSHARED="clang -shared",
        LDCXXSHARED="clang++ -shared",
    )
    if status:
        raise SystemExit("the instrumented modules can't be built; is clang installed?")
    mark_packages()
    library = sysconfig.get_config_var("LIBDIR")
    status = run(
        "clang",
        "-g",
        "-O1",
        SANITIZERS,
        "-rdynamic",
        "-I",
        sysconfig.get_path("include"),
        ROOT / "fuzz" / "driver.c",
        "-o",
        DRIVER,
        f"-L{library}",
        f"-Wl,-rpath,{library}",
        f"-lpython{sysconfig.get_config_var('LDVERSION')}",
        "-ldl",
        "-lm",
        "-lpthread",
        "-lutil",
    )
    if status:
        raise SystemExit("the driver can't be built")


def mark_packages() -> None:
    """Make the instrumented modules importable without the Python half of the project: its
    packages are there, and empty but for what `ext` itself says. Beside them stands the plan
    of the target `match`, which that half makes."""
    PLAN.write_bytes(plan())
    (LIBRARY / "fastgw" / "__init__.py").write_bytes(b"")
    for source in (ROOT / "ext").rglob("*.py"):
        place = LIBRARY / "fastgw" / source.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)


def pieces_of(target: str, case: Case) -> bytes | None:
    """What of a wire case is an input of a target."""
    head, end, body = case.raw.partition(b"\r\n\r\n")
    target_word = head.split(b" ")[1] if head.count(b" ") > 1 else b""
    return {
        "request": None if case.is_response else case.raw,
        "response": case.raw if case.is_response else None,
        "chunked": body if end and case.one.get("framing", "chunked") == "chunked" else None,
        "path": None if case.is_response else target_word.partition(b"?")[0],
        "proxy": None,
        "frames": body if case.is_response else None,
        "hello": None,  # no wire case is one; the kept corpus has some
        "match": None if case.is_response else b"\1\0" + target_word,
        "authority": head.lower().partition(b"host:")[2].partition(b"\r")[0].strip(),
    }[target]


def write_seeds(target: str) -> Path:
    """The wire cases as inputs of a target."""
    folder = BUILD / "seeds" / target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for case in read_cases():
        seed = pieces_of(target, case)
        if seed and len(seed) <= MAX_LEN:
            (folder / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    return folder


def environment(target: str) -> dict[str, str]:
    """What the driver and the sanitizers need to know."""
    return {
        "FASTGW_FUZZ_TARGET": f"fuzz_{target}",
        "FASTGW_FUZZ_PLAN": str(PLAN),
        "PYTHONPATH": str(LIBRARY),
        "PYTHONHOME": sys.base_prefix,
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:" + os.environ.get("ASAN_OPTIONS", ""),
    }


def fuzz(target: str, seconds: int) -> int:
    """Run one target; its exit status."""
    found, crashes = BUILD / "found" / target, BUILD / "crashes" / target
    for folder in (found, crashes, CORPUS / target):
        folder.mkdir(parents=True, exist_ok=True)
    return run(
        DRIVER,
        f"-max_total_time={seconds}",
        f"-max_len={MAX_LEN}",
        "-timeout=5",
        "-print_final_stats=1",
        "-verbosity=0",
        f"-artifact_prefix={crashes}/",
        f"-dict={ROOT / 'fuzz' / 'http.dict'}",
        found,
        CORPUS / target,
        write_seeds(target),
        **environment(target),
    )


def keep(target: str) -> int:
    """Take what reaches new code into the kept corpus (how often it is reached counts for
    nothing there, which keeps the corpus small)."""
    return run(
        DRIVER,
        "-merge=1",
        "-use_counters=0",
        f"-max_len={MAX_LEN}",
        CORPUS / target,
        BUILD / "found" / target,
        **environment(target),
    )


def main(argv: list[str]) -> int:
    """Build, then run each target in turn; 1 when one of them failed."""
    parse = argparse.ArgumentParser(prog="python fuzz/run.py")
    parse.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    parse.add_argument("--seconds", type=int, default=60, help="for each target")
    parse.add_argument("--keep", action="store_true", help="add to the kept corpus")
    args = parse.parse_args(argv)
    unknown = set(args.targets) - set(TARGETS)
    if unknown:
        parse.error(f"no target {', '.join(sorted(unknown))}; there are: {', '.join(TARGETS)}")
    build()
    failed = []
    for target in args.targets or TARGETS:
        print(f"-- {target}: {args.seconds} s", flush=True)
        if fuzz(target, args.seconds) or (args.keep and keep(target)):
            failed.append(target)
    if failed:
        print(f"failed: {', '.join(failed)}; the inputs are in {BUILD / 'crashes'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
