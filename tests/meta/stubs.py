"""Do the stubs of compiled modules say what is there: `python -m tests.meta.stubs`.

A compiled module that any Python file imports must have one; what a stub tells must be in
its module, with the same arguments. What it leaves out Python may not use: mypy sees to it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.meta.tree import EXT, ROOT, module_of, sources

#: First arguments, which the two sides may call differently or leave out.
OWNER = ("self", "cls")


def missing_stubs() -> Iterator[str]:
    """Compiled modules that Python imports and that have no stub."""
    seen = set()
    for folder in ("fastgw", "tests", "bench"):
        for path in sources(ROOT / folder, ".py"):
            seen |= set(imported(ast.parse(path.read_text())))
    for path in sources(EXT, ".pyx"):
        if "fastgw.ext." + module_of(path) in seen and not path.with_suffix(".pyi").exists():
            yield f"{path.relative_to(ROOT)}: is imported by Python and has no .pyi"


def imported(tree: ast.AST) -> Iterator[str]:
    """Names of modules, and of what might be one, in a file's imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def differences(stub: Path) -> Iterator[str]:
    """Where a stub and its module differ."""
    name = "fastgw.ext." + module_of(stub)
    module = importlib.import_module(name)
    for node_name, node in definitions(ast.parse(stub.read_text()).body):
        if only_for_types(node):
            continue
        if not hasattr(module, node_name):
            yield f"{name}.{node_name}: in the stub, not in the module"
        elif isinstance(node, ast.ClassDef):
            yield from class_differences(name, node, getattr(module, node_name))
        elif isinstance(node, ast.FunctionDef):
            yield from argument_differences(f"{name}.{node_name}", node, getattr(module, node_name))


def definitions(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """(name, node) of everything that a body defines, under conditions too."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node
        elif isinstance(node, ast.Assign):
            yield from ((t.id, node) for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.If):
            yield from definitions(node.body)


def only_for_types(node: ast.stmt) -> bool:
    """Aliases, protocols and what is marked `@type_check_only` are not there at run time."""
    if isinstance(node, ast.ClassDef):
        return any("type_check_only" in ast.unparse(d) for d in node.decorator_list) or any(
            "Protocol" in ast.unparse(base) for base in node.bases
        )
    alias = isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation)
    return alias or isinstance(node, ast.Assign)


def class_differences(module: str, node: ast.ClassDef, cls: type) -> Iterator[str]:
    """Where a class's stub and the class differ."""
    # With a __dict__ an instance has what its code gives it; that can't be seen from here.
    open_class = bool(cls.__dictoffset__)
    for name, inner in definitions(node.body):
        where = f"{module}.{node.name}.{name}"
        if not hasattr(cls, name):
            if not (open_class and isinstance(inner, ast.AnnAssign)):
                yield f"{where}: in the stub, not in the class"
        elif isinstance(inner, ast.FunctionDef):
            yield from argument_differences(where, inner, getattr(cls, name))


def argument_differences(where: str, node: ast.FunctionDef, value: object) -> Iterator[str]:
    """Where the arguments' names differ, as far as the compiled side tells them."""
    if not callable(value) or node.name.startswith("__"):
        return
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return
    a = node.args
    if a.vararg or a.kwarg or any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return
    told = [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs) if x.arg not in OWNER]
    real = [p.name for p in parameters if p.name not in OWNER]
    if told != real:
        yield f"{where}: arguments {told} in the stub, {real} in the module"


def main() -> int:
    """Print every difference; 1 if there is one."""
    found = list(missing_stubs())
    for stub in sources(EXT, ".pyi"):
        if stub.with_suffix(".pyx").exists():
            found += differences(stub)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
