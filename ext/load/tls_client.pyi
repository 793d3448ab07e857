from typing import final

@final
class TlsClient:
    def __init__(
        self,
        name: str,
        verify: bool = True,
        ca: str = "",
        resume: bool = False,
        version: str = "",
    ) -> None: ...
