"""Do the stubs of compiled modules say what is there: `python -m tests.meta.stubs`.

A compiled module that any Python file imports must have one; names, methods and arguments
of a stub and of its module must be the same.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tests.meta.tree import EXT, ROOT, module_of, sources

#: Special methods that a stub need not tell of.
_SILENT = ("__init__", "__repr__", "__len__", "__iter__", "__bool__", "__contains__")


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
    told = list(definitions(ast.parse(stub.read_text()).body))
    for node_name, node in told:
        if not hasattr(module, node_name):
            yield f"{name}.{node_name}: in the stub, not in the module"
        elif isinstance(node, ast.ClassDef):
            yield from class_differences(name, node, getattr(module, node_name))
        elif isinstance(node, ast.FunctionDef):
            yield from argument_differences(f"{name}.{node_name}", node, getattr(module, node_name))
    names = {n for n, _ in told}
    for missing in sorted(public(module) - names):
        yield f"{name}.{missing}: in the module, not in the stub"


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


def public(module: ModuleType) -> set[str]:
    """Functions and classes that a module defines and does not hide."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and (inspect.isclass(value) or callable(value))
    }


def class_differences(module: str, node: ast.ClassDef, cls: object) -> Iterator[str]:
    """Where a class's stub and the class differ."""
    told = dict(definitions(node.body))
    for name, inner in told.items():
        if not hasattr(cls, name):
            yield f"{module}.{node.name}.{name}: in the stub, not in the class"
        elif isinstance(inner, ast.FunctionDef):
            where = f"{module}.{node.name}.{name}"
            yield from argument_differences(where, inner, getattr(cls, name))
    for name, value in vars(cls).items():
        hidden = name.startswith("_") or name in _SILENT
        if not hidden and name not in told and (callable(value) or inspect.isdatadescriptor(value)):
            yield f"{module}.{node.name}.{name}: in the class, not in the stub"


def argument_differences(where: str, node: ast.FunctionDef, value: object) -> Iterator[str]:
    """Where the arguments' names differ, as far as the compiled side tells them."""
    if not callable(value) or node.name.startswith("__"):
        return
    try:
        real = list(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return
    a = node.args
    told = [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    plain = [n for n in real if n not in ("self", "cls", "args", "kwargs")]
    if [n for n in told if n not in ("self", "cls")] != plain and not (a.vararg or a.kwarg):
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
