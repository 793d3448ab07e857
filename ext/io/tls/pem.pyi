class TlsFileError(ValueError):
    kind: str
    about_key: bool
    def __init__(self, text: str, kind: str = "unusable", about_key: bool = False) -> None: ...
