"""`errors`: pages in place of the gateway's own error documents."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from fastgw.config.contents import text_content
from fastgw.config.document import Document
from fastgw.config.models import ErrorPage, Errors
from fastgw.config.problems import Where, did_you_mean
from fastgw.config.scopes import Layers
from fastgw.config.wrong import noted
from fastgw.ext.policy.error_pages import ErrorPage as Page
from fastgw.plan.model import ErrorPage as PlanPage

#: A page that a browser shows is smaller.
MAX_PAGE_BYTES = 256 * 1024


@cache
def reasons() -> frozenset[str]:
    """The name of every reason."""
    text = files("fastgw.ext.base").joinpath("reasons.toml").read_text(encoding="utf-8")
    return frozenset(row["name"] for row in tomllib.loads(text)["reason"])


Pages = tuple[tuple[PlanPage, ...], frozenset[int]]
NONE: Pages = ((), frozenset())


class ErrorPages:
    """Lowers `errors` of scopes, each once; what is wrong is noted in the document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._made: dict[Where, Pages] = {}

    def of(self, layers: Layers) -> Pages:
        """The pages, and the statuses of upstreams that get one, of the innermost scope
        that says any."""
        for layer in reversed(layers):
            if "errors" not in layer.scope.model_fields_set:
                continue
            errors: Errors | None = getattr(layer.scope, "errors", None)
            if errors is not None:
                where = (*layer.where, "errors")
                if where not in self._made:
                    self._made[where] = self._lowered(layer.document, where, errors)
                return self._made[where]
        return NONE

    def _lowered(self, document: Document, where: Where, errors: Errors) -> Pages:
        if errors.replace_upstream and not errors.pages:
            document.problem(
                "FGW507", (*where, "replace_upstream"), "there are no 'pages' to replace it with"
            )
        pages = (
            self._page(document, (*where, "pages", i), page) for i, page in enumerate(errors.pages)
        )
        return tuple(p for p in pages if p is not None), frozenset(errors.replace_upstream)

    def _page(self, document: Document, where: Where, page: ErrorPage) -> PlanPage | None:
        for i, reason in enumerate(page.reason or ()):
            if reason not in reasons():
                document.problem(
                    "FGW507",
                    (*where, "reason", i),
                    f"no reason '{reason}'" + did_you_mean(reason, reasons()),
                )
        body = page.body
        if page.file is not None:
            at = (*where, "file")
            body = noted(document, at, text_content, document, page.file, MAX_PAGE_BYTES, "FGW507")
        if body is None:
            return None
        made = {"body": body, "content_type": page.type, "status": page.answer or 0}
        try:
            Page(made)
        except ValueError as e:
            document.problem("FGW507", where, str(e))
        return PlanPage(
            body,
            frozenset(page.status or ()),
            frozenset(page.reason or ()),
            page.type,
            page.answer or 0,
        )
