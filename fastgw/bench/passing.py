"""The policy in Python that the cost table measures: it looks at a field and lets all pass."""

from __future__ import annotations

import fastgw


class Passing(fastgw.Policy):
    """Refuses requests that say so, which none of the benchmarks' does."""

    def on_request(self, request: fastgw.Request) -> fastgw.Response | None:
        """403 for `X-Refuse`."""
        if request.headers.get("X-Refuse"):
            return fastgw.Response(403)
        return None
