def parse_name(name: str) -> FieldName: ...
def parse_value(value: str | bytes) -> bytes: ...

class FieldName:
    id: int
    text: bytes
    lowered: bytes
