from collections.abc import Mapping
from typing import Any

import fastgw

def load_class(spec: str) -> type[fastgw.Policy]: ...
def make_plugin(kind: type[fastgw.Policy], options: Mapping[str, Any]) -> fastgw.Policy: ...

class PythonPolicy:
    name: str
    kind: str
    hooks: int
    plugin: fastgw.Policy
    spec: str
    def __init__(self, name: str, options: dict[str, Any]) -> None: ...
