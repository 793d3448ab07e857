"""What changes between two configurations: meaning, not text.

Grades say what a change may do: `security` lets in, shows or trusts more than before,
`breaking` takes away what clients may use, `change` is anything else, `add` is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from fastgw.config.build import Built
from fastgw.config.defaults import shown_value
from fastgw.config.limit_models import AllLimits, AllTimeouts, RouteTimeouts
from fastgw.config.scopes import HEAD_LIMITS
from fastgw.config.taken import shown
from fastgw.plan.model import ErrorPage, Match, ObjectSpec, PlanModel, Route, Split, Step

Grade = Literal["security", "breaking", "change", "add"]
GRADES: Final[tuple[Grade, ...]] = ("security", "breaking", "change", "add")
#: Timeouts of connections, which have no route.
OF_CONNECTIONS: Final = tuple(AllTimeouts.model_fields.keys() - RouteTimeouts.model_fields.keys())
#: Kinds of policies that keep somebody out; losing one lets them in.
PROTECTING: Final = frozenset({"ip", "plugin"})


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `about`: route x, upstream y, listener z, or the gateway."""

    grade: Grade
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.grade:8}  {self.about} {self.text}"


def differences(old: Built, new: Built) -> list[Change]:
    """Everything that changes, the gravest first; what references bring is not shown."""
    found = [
        *_gateway(old.model, new.model),
        *_named("listener", _listeners(old.model), _listeners(new.model), _listener),
        *_named("upstream", _upstreams(old.model), _upstreams(new.model), _upstream),
        *_named("route", _routes(old), _routes(new), _route),
    ]

    def told(change: Change) -> Change:
        text = new.document.redacted(old.document.redacted(change.text))
        return Change(change.grade, change.about, text)

    return sorted(map(told, found), key=lambda c: (GRADES.index(c.grade), c.about, c.text))


def _named(
    what: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    inner: Callable[[str, Any, Any], Iterator[Change]],
) -> Iterator[Change]:
    """Things that go, come, and differ, by name."""
    for name in old.keys() - new.keys():
        yield Change("breaking" if what != "upstream" else "change", f"{what} {name}", "is removed")
    for name in new.keys() - old.keys():
        yield Change("add", f"{what} {name}", "is added")
    for name in old.keys() & new.keys():
        if old[name] != new[name]:
            yield from inner(f"{what} {name}", old[name], new[name])


# -- the gateway ---------------------------------------------------------------------------


def _gateway(old: PlanModel, new: PlanModel) -> Iterator[Change]:
    trusted, before = set(new.trusted_proxies), set(old.trusted_proxies)
    for network in sorted(trusted - before):
        yield Change("security", "the gateway", f"believes X-Forwarded-* of {network}")
    for network in sorted(before - trusted):
        yield Change("change", "the gateway", f"no longer believes X-Forwarded-* of {network}")
    for key in ("access_log", "dns"):
        if old.node.get(key) != new.node.get(key):
            yield Change("change", "the gateway", f"has another '{key}'")
    if (old.error_pages, old.error_html) != (new.error_pages, new.error_html):
        yield Change("change", "the gateway", "has other error pages for requests without a route")
    of_connections = old.timeouts, new.timeouts
    yield from _quantities(
        "the gateway",
        AllTimeouts,
        "timeouts",
        *({key: getattr(one, key) for key in OF_CONNECTIONS} for one in of_connections),
    )
    yield from _quantities(
        "the gateway",
        AllLimits,
        "limits",
        {**asdict(old.limits), "memory": old.memory},
        {**asdict(new.limits), "memory": new.memory},
    )


def _head_limits(about: str, old: Route, new: Route) -> Iterator[Change]:
    """Limits of heads, which a route may leave to the listener."""
    for key in HEAD_LIMITS:
        values = [getattr(route, f"{key}_limit") for route in (old, new)]
        if values[0] != values[1]:
            before, after = (
                shown_value(AllLimits, key, value) if value else "the listener's"
                for value in values
            )
            yield Change("change", about, f"limits.{key} is {after} instead of {before}")


def _quantities(
    about: str, model: type[Any], prefix: str, old: Mapping[str, int], new: Mapping[str, int]
) -> Iterator[Change]:
    """Timeouts and limits that fall or rise; 0 is none, which is more than anything."""
    for key, before in old.items():
        after = new[key]
        if before == after:
            continue
        falls = after != 0 and (before == 0 or after < before)
        grade: Grade = "security" if prefix == "limits" and after == 0 else "change"
        texts = [shown_value(model, key, value) for value in (before, after)]
        verb = "falls" if falls else "rises"
        yield Change(grade, about, f"{prefix}.{key} {verb} from {texts[0]} to {texts[1]}")


def _listeners(model: PlanModel) -> dict[str, Any]:
    return {listener.name: listener for listener in model.listeners}


def _listener(about: str, old: Any, new: Any) -> Iterator[Change]:
    if old.address != new.address:
        yield Change("breaking", about, f"moves from {old.address} to {new.address}")
    if old.route != new.route:
        yield Change("change", about, "redirects now" if new.route else "redirects no more")
    for key in sorted(old.options.keys() | new.options.keys()):
        if old.options.get(key) != new.options.get(key):
            yield Change("security", about, f"has another '{key}'")


# -- upstreams -----------------------------------------------------------------------------


def _upstreams(model: PlanModel) -> dict[str, ObjectSpec]:
    found: dict[str, ObjectSpec] = {}
    for route in model.routes:
        target = route.target
        specs = [p.target for p in target.parts] if isinstance(target, Split) else [target]
        found.update((spec.name, spec) for spec in specs if spec.kind == "http")
    return found


def _upstream(about: str, old: ObjectSpec, new: ObjectSpec) -> Iterator[Change]:
    before, after = (
        {s["url"]: s["weight"] for s in spec.options["servers"]} for spec in (old, new)
    )
    for url in before.keys() - after.keys():
        yield Change("change", about, f"loses server {url}")
    for url in after.keys() - before.keys():
        yield Change("change", about, f"gets server {url}")
    for url in before.keys() & after.keys():
        if before[url] != after[url]:
            yield Change("change", about, f"weighs {url} {after[url]} instead of {before[url]}")
    yield from _upstream_options(about, _readable(old.options), _readable(new.options))


def _upstream_options(
    about: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    """What else is said of an upstream, key by key."""
    skipped: tuple[str, ...] = ("servers", "name", "timeouts")
    if bool(old.get("tls")) != bool(new.get("tls")):
        grade: Grade = "change" if new.get("tls") else "security"
        yield Change(grade, about, f"is reached {'by' if new.get('tls') else 'without'} TLS now")
        skipped += ("tls",)
    before, after = _flat(old), _flat(new)
    for key in sorted(before.keys() | after.keys()):
        was, now, top = before.get(key), after.get(key), key.partition(".")[0]
        if was != now and top not in skipped:
            grade = "security" if top == "tls" else "change"
            yield Change(grade, about, f"has {key} {_plain(now)} instead of {_plain(was)}")


def _readable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options whose certificates and keys, which are hashes of their content, have a path."""
    tls = options.get("tls")
    if not tls:
        return dict(options)
    paths = tls["files"]

    def named(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: named(one) for key, one in value.items() if key != "files"}
        known = isinstance(value, str) and value in paths
        return f"{paths[value]} ({value[:12]})" if known else value

    return {**options, "tls": named(tls)}


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested maps, by their path."""
    found: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _plain(value: Any) -> str:
    if value in (None, "", [], {}):
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value).removeprefix("=")


# -- routes --------------------------------------------------------------------------------


def _routes(built: Built) -> dict[str, Route]:
    return {route.name: route for route in built.model.routes}


def _route(about: str, old: Route, new: Route) -> Iterator[Change]:
    yield from _matches(about, old.matches, new.matches)
    if _target(old) != _target(new):
        yield Change("change", about, f"goes to {_target(new)} instead of {_target(old)}")
    yield from _policies(about, old.steps, new.steps)
    for name in sorted(new.allow - old.allow):
        yield Change("security", about, f"opens its paths to {name}")
    for name in sorted(old.allow - new.allow):
        yield Change("change", about, f"closes its paths to {name}")
    both = (asdict(old.timeouts), asdict(new.timeouts))
    of_route = [{k: v for k, v in one.items() if k not in OF_CONNECTIONS} for one in both]
    yield from _quantities(about, AllTimeouts, "timeouts", *of_route)
    yield from _quantities(
        about, AllLimits, "limits", {"body": old.body_limit}, {"body": new.body_limit}
    )
    yield from _head_limits(about, old, new)
    if old.rewrite != new.rewrite:
        yield Change("change", about, "rewrites paths or hosts in another way")
    if old.priority != new.priority:
        yield Change("change", about, f"has priority {new.priority} instead of {old.priority}")
    if old.on_client_eof != new.on_client_eof:
        text = f"has on_client_eof {new.on_client_eof} instead of {old.on_client_eof}"
        yield Change("change", about, text)
    if _pages(old) != _pages(new):
        yield Change("change", about, "has other error pages")


def _pages(route: Route) -> tuple[tuple[ErrorPage, ...], frozenset[int]]:
    return route.error_pages, route.replace_upstream


def _matches(about: str, old: tuple[Match, ...], new: tuple[Match, ...]) -> Iterator[Change]:
    for match in (m for m in old if m not in new):
        like = next((m for m in new if shown(m) == shown(match) and m not in old), None)
        if like is not None:
            yield from _conditions(about, match, like)
        else:
            yield Change("breaking", about, f"no longer takes {shown(match)}")
    known = {shown(m) for m in old}
    for match in (m for m in new if shown(m) not in known):
        yield Change("change", about, f"takes {shown(match)} as well")


def _conditions(about: str, old: Match, new: Match) -> Iterator[Change]:
    """The same host and path, asked for under other conditions."""
    gone = old.methods - new.methods if new.methods else frozenset()
    if gone or (new.methods and not old.methods):
        only = ",".join(sorted(new.methods))
        yield Change("breaking", about, f"takes only {only} of {shown(new)}")
    elif old.methods != new.methods:
        methods = ",".join(sorted(new.methods)) or "every method"
        yield Change("change", about, f"takes {methods} of {shown(new)}")
    for key in ("conditions", "clients", "listeners", "server_names"):
        before, after = set(getattr(old, key)), set(getattr(new, key))
        what = f"{key.replace('_', ' ')} of {shown(new)}"
        # Of conditions all must hold, of the others one; none of them is everything.
        all_of = key == "conditions"
        wider = before - after if all_of else before and (not after or after - before)
        narrower = after - before if all_of else after and (not before or before - after)
        if wider:
            verb = "asks for no" if not after else "asks for fewer" if all_of else "takes more"
            yield Change("security", about, f"{verb} {what}")
        if narrower:
            yield Change("breaking", about, f"asks for other {what}")


def _target(route: Route) -> str:
    target = route.target
    if isinstance(target, Split):
        total = sum(p.weight for p in target.parts)
        return " and ".join(f"{p.target.name} ({100 * p.weight / total:g} %)" for p in target.parts)
    return "upstream " + target.name if target.kind == "http" else "no upstream"


# -- policies ------------------------------------------------------------------------------


def _policies(about: str, old: tuple[Step, ...], new: tuple[Step, ...]) -> Iterator[Change]:
    """Policies of a kind are compared in their order."""
    for kind in sorted({step.policy.kind for step in (*old, *new)}):
        before = [step for step in old if step.policy.kind == kind]
        after = [step for step in new if step.policy.kind == kind]
        for was, now in zip(before, after, strict=False):
            yield from _policy(about, was, now)
        for _ in before[len(after) :]:
            grade: Grade = "security" if kind in PROTECTING else "change"
            yield Change(grade, about, f"loses its {_called(kind)}")
        for _ in after[len(before) :]:
            grade = "breaking" if kind in PROTECTING else "change"
            yield Change(grade, about, f"gets {_article(kind)} {_called(kind)}")


def _policy(about: str, old: Step, new: Step) -> Iterator[Change]:
    name = _called(old.policy.kind)
    weaker = old.policy.kind in PROTECTING
    if old.mode != new.mode:
        grade: Grade = "security" if weaker and old.mode == "enforce" else "change"
        yield Change(grade, about, f"has its {name} in mode {new.mode} instead of {old.mode}")
    if old.on_failure != new.on_failure:
        grade = "security" if new.on_failure == "pass" else "change"
        yield Change(grade, about, f"has its {name} with on_failure {new.on_failure}")
    before, after = old.policy.options, new.policy.options
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            text = f"has its {name} with {key} {after.get(key)} instead of {before.get(key)}"
            yield Change("security" if weaker else "change", about, text)


def _called(kind: str) -> str:
    return {"ip": "ip rule", "headers": "header edits", "respond": "fixed answer"}.get(kind, kind)


def _article(kind: str) -> str:
    return "an" if kind == "ip" else "the" if kind == "headers" else "a"
