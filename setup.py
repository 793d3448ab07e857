"""Build of the compiled data plane; everything else stands in pyproject.toml.

FASTGW_BUILD picks the kind of build: release (default), debug (asserts, live-object
counters), asan (AddressSanitizer + UBSan), cover (line tracing), fuzz (clang only: asan and the
counters of libFuzzer; see fuzz/run.py).
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).resolve().parent
KIND = os.environ.get("FASTGW_BUILD", "release")
#: Compiler flags of each kind of build.
CFLAGS = {
    "release": ["-O2"],
    "debug": ["-O1", "-g", "-DFASTGW_DEBUG=1"],
    "asan": ["-O1", "-g", "-DFASTGW_DEBUG=1", "-fno-omit-frame-pointer",
             "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "fuzz": ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=fuzzer-no-link,address,undefined",
             "-fno-sanitize-recover=undefined"],
    "cover": ["-O0", "-g", "-DFASTGW_DEBUG=1", "-DCYTHON_TRACE_NOGIL=1",
              "-DCYTHON_USE_SYS_MONITORING=0"],
}
LDFLAGS = {"asan": ["-fsanitize=address,undefined"], "fuzz": ["-fsanitize=address,undefined"]}
WARNINGS = ["-Wall", "-Wno-unused-function", "-Wno-unused-but-set-variable"]
DIRECTIVES: dict[str, object] = {
    "language_level": 3,
    "auto_pickle": False,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "nonecheck": False,
    "embedsignature": False,
    "legacy_implicit_noexcept": False,
}


def extensions() -> list[Extension]:
    """One extension a .pyx below ext/; `testing` stays out of distributions."""
    found = []
    for source in sorted((ROOT / "ext").rglob("*.pyx")):
        path = source.relative_to(ROOT / "ext")
        if path.parts[0] == "testing" and "FASTGW_NO_TESTING" in os.environ:
            continue
        found.append(Extension(
            ".".join(("fastgw", "ext", *path.with_suffix("").parts)),
            [str(Path("fastgw", "ext", path))],
            extra_compile_args=CFLAGS[KIND] + WARNINGS,
            extra_link_args=LDFLAGS.get(KIND, []),
            include_dirs=["fastgw/ext"],
        ))
    return found


def cythonized() -> list[Extension]:
    """The extensions, translated to C below build/<kind>."""
    from Cython.Build import cythonize

    directives = dict(DIRECTIVES, linetrace=KIND == "cover")
    modules: list[Extension] = cythonize(
        extensions(),
        build_dir=f"build/{KIND}",
        include_path=["."],
        compiler_directives=directives,
        nthreads=int(os.environ.get("FASTGW_JOBS", "0")),
        cache=os.environ.get("FASTGW_CYTHON_CACHE") or False,
    )
    return modules


if not sys.platform.startswith("linux"):
    raise SystemExit(f"fastgw runs on Linux >= 5.10 only, not on {platform.system()}")
setup(ext_modules=cythonized())
