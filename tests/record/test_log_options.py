"""What may be said about the access log, and every way to say it wrong."""

from __future__ import annotations

import pytest

from fastgw.ext.record.log_options import DEFAULT, FIELDS, Rule, read_options


def test_nothing_said_is_json_with_everything() -> None:
    found = read_options({})
    assert found.json and found.sample == 1.0 and found.shown_query == ()
    assert [FIELDS[p.field] for p in found.pieces] == list(DEFAULT)


def test_template() -> None:
    found = read_options({"format": "{{{client}}} {header.X-Tenant}|"})
    assert [(p.before, p.field) for p in found.pieces] == [
        (b"{", FIELDS.index("client")),
        (b"} ", FIELDS.index("header")),
        (b"|", -1),
    ]
    assert found.pieces[1].name == b"x-tenant"


@pytest.mark.parametrize(
    ("rule", "is_"),
    [
        ("status=5xx", Rule(status=(500, 599))),
        ({"status": 404}, Rule(status=(404, 404))),
        ("status=500-502,slower_than=1s", Rule(status=(500, 502), slower_us=1_000_000)),
        ({"slower_than": "250ms"}, Rule(slower_us=250_000)),
        ({"reason": "any", "route": ["a", "b"]}, Rule(reasons=("any",), routes=(b"a", b"b"))),
        ("path=/health|/ready,method=GET", Rule(paths=(b"/health", b"/ready"), methods=(b"GET",))),
    ],
)
def test_rules(rule: object, is_: Rule) -> None:
    assert read_options({"keep": [rule]}).keep == (is_,)
    assert read_options({"skip": rule}).skip == (is_,)


@pytest.mark.parametrize(("given", "is_"), [(0.25, 0.25), ("10%", 0.1), (0, 0.0), ("1", 1.0)])
def test_sample(given: object, is_: float) -> None:
    assert read_options({"sample": given}).sample == pytest.approx(is_)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"formats": "json"}, "unknown key 'formats' .did you mean 'format'"),
        ({"format": 3}, "format: 'json', 'combined' or a template"),
        ({"format": ""}, "format: 'json', 'combined' or a template"),
        ({"format": "{clientt}"}, "unknown field 'clientt' .did you mean 'client'"),
        ({"format": "a } b"}, "a '}' alone"),
        ({"format": "a { b"}, "a '{' alone"),
        ({"format": "a\nb {path}"}, "control character"),
        ({"format": "{header}"}, "a header's name follows"),
        ({"format": "{header.bad name}"}, "a header's name follows"),
        ({"format": "{path.x}"}, "unknown field 'path.x'"),
        ({"format": "{path}" * 65}, "more than 64 fields"),
        ({"format": "combined", "fields": ["path"]}, "only a JSON line has them"),
        ({"fields": ["path", "path"]}, "each only once"),
        ({"fields": [1]}, "fields: a list of names"),
        ({"fields": {}}, "fields: a list of names"),
        ({"sample": 2}, "sample: 2 is neither"),
        ({"sample": "many"}, "sample: 'many' is neither"),
        ({"sample": True}, "sample: True is neither"),
        ({"keep": 5}, "keep: a list of at most 16"),
        ({"keep": [{}]}, "keep: a rule is a map"),
        ({"skip": ["statu=500"]}, "skip: unknown condition 'statu' .did you mean 'status'"),
        ({"skip": ["status=900x"]}, "is no status"),
        ({"skip": ["status=500-400"]}, "is no status"),
        ({"skip": ["slower_than=fast"]}, "is no duration"),
        ({"skip": ["path=/x"] * 17}, "at most 16"),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_options(options)


def test_secrets_are_hidden_unless_named() -> None:
    names = ["header.authorization", "header.cookie", "response_header.set-cookie", "header.accept"]
    assert [p.shown for p in read_options({"fields": names}).pieces] == [False, False, False, True]
    found = read_options({"fields": names, "show": ["Authorization", "query.page"]})
    assert [p.shown for p in found.pieces] == [True, False, False, True]
    assert found.shown_query == (b"page",)
    assert read_options({"show": ["query"]}).shown_query is None
