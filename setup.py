"""Build of the compiled data plane; everything else stands in pyproject.toml.

FASTGW_BUILD picks the kind of build: release (default), debug (asserts, live-object
counters), asan (AddressSanitizer + UBSan), cover (line tracing), fuzz (clang
only: asan and the counters of libFuzzer; see fuzz/run.py). Each kind has a tree of
its own below build/; in-place builds copy the kind that was asked for beside the sources.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
#: The one way to the sources: a symlink in a checkout, a real folder in an sdist.
SOURCES = ROOT / "fastgw" / "ext"
KIND = os.environ.get("FASTGW_BUILD", "release")
#: Compiler flags of each kind of build.
CFLAGS = {
    "release": ["-O2"],
    "debug": ["-O1", "-g", "-DFASTGW_DEBUG=1"],
    "asan": [
        "-O1",
        "-g",
        "-DFASTGW_DEBUG=1",
        "-fno-omit-frame-pointer",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=undefined",
    ],
    "fuzz": [
        "-O1",
        "-g",
        "-fno-omit-frame-pointer",
        "-fsanitize=fuzzer-no-link,address,undefined",
        "-fno-sanitize-recover=undefined",
        "-fno-sanitize=vptr,function",  # ask for a C++ runtime that the driver in C lacks
    ],
    "cover": [
        "-O0",
        "-g",
        "-DFASTGW_DEBUG=1",
        "-DCYTHON_TRACE_NOGIL=1",
        "-DCYTHON_USE_SYS_MONITORING=0",
    ],
}
LDFLAGS = {"asan": ["-fsanitize=address,undefined"], "fuzz": ["-fsanitize=address,undefined"]}
IMPORT = re.compile(r"^\s*from (fastgw\.ext[\w.]*) c?import ([^(\n]*)", re.MULTILINE)
WARNINGS = ["-Wall", "-Wno-unused-function", "-Wno-unused-but-set-variable"]
#: Where C headers are looked for, as far as can be told without asking the compiler.
INCLUDES = (
    *os.environ.get("CPATH", "").split(":"),
    *os.environ.get("CPLUS_INCLUDE_PATH", "").split(":"),
    "/usr/local/include",
    "/usr/include",
)
#: Modules with sources and libraries besides their .pyx.
LINKED = {"fastgw.ext.route.regex": (["fastgw/ext/route/re2_shim.cc"], ["re2", "stdc++"])}
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
    """One extension a .pyx below fastgw/ext; not translated yet."""
    return [extension(source) for source in sorted(SOURCES.rglob("*.pyx"))]


def extension(source: Path) -> Extension:
    """The extension of one .pyx."""
    name = ".".join(("fastgw", "ext", *source.relative_to(SOURCES).with_suffix("").parts))
    more, libraries = LINKED.get(name, ([], []))
    return Extension(
        name,
        [str(source.relative_to(ROOT)), *more],
        extra_compile_args=CFLAGS[KIND] + WARNINGS,
        extra_link_args=LDFLAGS.get(KIND, []),
        include_dirs=["fastgw/ext"],
        libraries=libraries,
        depends=[str(h.relative_to(ROOT)) for h in sorted(SOURCES.rglob("*.h"))],
    )


def cythonized(plain: list[Extension]) -> list[Extension]:
    """Extensions translated to C below build/<kind>."""
    from Cython.Build import cythonize

    directives = dict(DIRECTIVES, linetrace=KIND == "cover")
    modules: list[Extension] = cythonize(
        plain,
        build_dir=f"build/{KIND}",
        include_path=["."],
        compiler_directives=directives,
        nthreads=int(os.environ.get("FASTGW_JOBS", "0")),
        cache=os.environ.get("FASTGW_CYTHON_CACHE") or False,
        quiet=True,
    )
    return modules


def header_exists(compiler: list[str], name: str) -> bool:
    """Whether the compiler finds a header; without a compiler that is another question."""
    if not shutil.which(compiler[0]):
        return True
    test = [*compiler, "-E", "-x", "c", "-"]
    source = f"#include <{name}>".encode()
    return not subprocess.run(test, input=source, capture_output=True, check=False).returncode


def imported_by(name: str) -> set[str]:
    """A module of ours with all that it needs, by what its sources import."""
    found: set[str] = set()
    left = [name]
    while left:
        name = left.pop()
        parts = name.split(".")[2:]
        texts = [SOURCES.joinpath(*parts).with_suffix(end) for end in (".pyx", ".pxd")]
        if name in found or not texts[0].exists():
            continue
        found.add(name)
        for text in texts:
            for place, names in IMPORT.findall(text.read_text() if text.exists() else ""):
                left += [place, *(f"{place}.{one}" for one in re.findall(r"\w+", names))]
    return found


def missing_tools() -> list[str]:
    """What a build needs and this machine lacks."""
    words = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    compiler = words[0]
    missing = [] if shutil.which(compiler) else [f"a C compiler ({compiler})"]
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing.append("Python's headers (Python.h)")
    if not header_exists(words, "openssl/ssl.h"):
        missing.append("OpenSSL 3's headers (openssl/ssl.h)")
    if shutil.which("g++") is None and shutil.which("c++") is None:
        missing.append("a C++ compiler (g++)")
    if not any(Path(folder, "re2", "re2.h").exists() for folder in INCLUDES):
        missing.append("RE2's headers (re2/re2.h)")
    return missing


class BuildKind(build_ext):
    """Builds one kind, and puts it in place when asked to."""

    def finalize_options(self) -> None:
        """An in-place build has its own tree; a distribution has no test modules, which the
        fuzz targets are among."""
        plain = self.distribution.ext_modules
        if self.inplace:
            self.build_temp = f"build/{KIND}/tmp"
            self.build_lib = f"build/{KIND}/lib"
        elif KIND == "fuzz":
            needed = imported_by("fastgw.ext.testing.fuzz_doors")
            plain = [e for e in plain if e.name in needed]
        else:
            plain = [e for e in plain if ".ext.testing." not in e.name]
        # Said here in one line, before Cython works and the compiler says it in many.
        if missing := missing_tools():
            raise SystemExit(
                f"fastgw is compiled when it is installed, and this needs {' and '.join(missing)}; "
                "on Debian: apt-get install gcc g++ libc6-dev python3-dev libre2-dev libssl-dev"
            )
        self.distribution.ext_modules = cythonized(plain)
        super().finalize_options()

    def copy_extensions_to_source(self) -> None:
        """Put this kind's modules beside the sources, and take away what has no source.

        Times are compared for equality: an older file of another kind must win too. Each
        is renamed into place, since a running process may have the old one mapped."""
        for ext in self.extensions:
            name = self.get_ext_filename(ext.name)
            built, placed = Path(self.build_lib, name), ROOT / name
            if not same_file(built, placed):
                shutil.copy2(built, f"{placed}.new")
                os.replace(f"{placed}.new", placed)
        for placed in SOURCES.rglob("*.so"):
            if not placed.with_name(placed.name.split(".")[0] + ".pyx").exists():
                placed.unlink()


def same_file(built: Path, placed: Path) -> bool:
    """Whether the placed file is a copy of the built one."""
    if not placed.exists():
        return False
    a, b = built.stat(), placed.stat()
    return (a.st_mtime_ns, a.st_size) == (b.st_mtime_ns, b.st_size)


if not sys.platform.startswith("linux"):
    raise SystemExit(f"fastgw runs on Linux >= 5.10 only, not on {platform.system()}")
if KIND not in CFLAGS:
    raise SystemExit(f"FASTGW_BUILD={KIND}: is one of {', '.join(CFLAGS)}")
setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildKind},
    options={"build": {"build_base": f"build/{KIND}/dist"}},
)
