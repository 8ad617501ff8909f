"""Random resources that refer to each other, and random searches over them, from few values so that they meet."""

from decimal import Decimal
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from tests.oracle.compare import UCUM
from tests.oracle.elements import PARAMETERS, Parameter
from tests.oracle.said import said

Json = dict[str, Any]
Item = tuple[str, str]

TEXTS: Final = (
    "Li",
    "li",
    "LIN",
    "Müller",
    "muller",
    "王",
    "王秀英",
    "張三",
    "张·三",
    "a b",
    "A  B c",
    "x%_y",
    "O'Neil",
    'say "x"',
)
CODES: Final = ("a", "b", "A", "a-1")
SYSTEMS: Final = (None, "http://s1.test", "http://s2.test")
DATES: Final = ("2023", "2024", "2024-05", "2024-05-01", "2024-05-02", "2023-12-31")
MOMENTS: Final = (
    *DATES,
    "2024-05-01T08:00:00+08:00",
    "2024-05-01T00:00:00Z",
    "2024-04-30T23:59:59-05:00",
    "2024-05-01T07:59:00+08:00",
)
NUMBERS: Final = ("0", "0.5", "1", "1.0", "0.95", "99.5", "100", "100.5", "50", "-5", "5e1")
UNITS: Final[tuple[Json, ...]] = (
    {"system": UCUM, "code": "mg"},
    {"system": UCUM, "code": "g", "unit": "grams"},
    {"system": "http://s1.test", "code": "mg"},
    {"unit": "mg"},
    {},
)
URLS: Final = (
    "http://acme.test/a",
    "http://acme.test/a/b",
    "http://acme.test/a/b/c",
    "http://acme.test/ab",
    "urn:oid:1.2.3",
)
PREFIXES: Final = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
KINDS: Final = (
    "Patient",
    "Patient",
    "Patient",
    "Observation",
    "Observation",
    "Observation",
    "Organization",
    "Organization",
    "RiskAssessment",
    "ValueSet",
)
STATUSES: Final = ("final", "preliminary", "amended")

_texts = st.sampled_from(TEXTS)
_tokens = st.builds(
    lambda s, c: {"code": c} | ({"system": s} if s else {}), st.sampled_from(SYSTEMS), st.sampled_from(CODES)
)
_displayed = st.builds(lambda coding, text: coding | ({"display": text} if text else {}), _tokens, st.none() | _texts)
_concepts = st.one_of(
    st.builds(lambda codings: {"coding": codings}, st.lists(_displayed, min_size=1, max_size=2)),
    st.builds(
        lambda codings, text: {"coding": codings, "text": text}, st.lists(_displayed, min_size=1, max_size=1), _texts
    ),
    st.builds(lambda text: {"text": text}, _texts),
)
_identifiers = st.builds(
    lambda s, v, kind: {"value": v} | ({"system": s} if s else {}) | ({"type": {"coding": [kind]}} if kind else {}),
    st.sampled_from(SYSTEMS),
    st.sampled_from(CODES),
    st.none() | _tokens,
)
_quantities = st.builds(
    lambda value, unit, sign: {"value": Decimal(value)} | unit | ({"comparator": sign} if sign else {}),
    st.sampled_from(NUMBERS),
    st.sampled_from(UNITS),
    st.sampled_from((None, None, None, "<", ">=")),
)
_periods = st.one_of(
    st.builds(lambda start: {"start": start}, st.sampled_from(MOMENTS)),
    st.builds(lambda end: {"end": end}, st.sampled_from(MOMENTS)),
    st.just({"start": "2023-06", "end": "2024-05-01"}),
)


@st.composite
def worlds(draw: st.DrawFn) -> list[Json]:
    """Up to a dozen resources with ids `0` and so on; whoever stores them makes the ids unique."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=5, max_size=12))
    names = [f"{kind}/{n}" for n, kind in enumerate(kinds)]
    return [draw(_resource(kind, str(n), names)) for n, kind in enumerate(kinds)]


def _resource(kind: str, resource_id: str, names: list[str]) -> st.SearchStrategy[Json]:
    fixed: Json = {"resourceType": kind, "id": resource_id}
    return _BUILDERS[kind](names).map(
        lambda elements: fixed | {k: v for k, v in elements.items() if v not in (None, [])}
    )


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _reference(names: list[str], *kinds: str) -> st.SearchStrategy[Json | None]:
    found = [name for name in names if name.partition("/")[0] in kinds]
    literal = st.sampled_from(found).map(lambda name: {"reference": name}) if found else st.none()
    logical = _identifiers.map(lambda identifier: {"identifier": identifier})
    return st.one_of(st.none(), literal, literal, literal, literal, logical)


def _list_of(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=2).map(lambda found: [each for each in found if each is not None])


def _patients(names: list[str]) -> st.SearchStrategy[Json]:
    human = st.fixed_dictionaries({"family": _texts}, optional={"given": st.lists(_texts, min_size=1, max_size=2)})
    link = _reference(names, "Patient").map(lambda other: {"other": other, "type": "seealso"} if other else None)
    return st.fixed_dictionaries(
        {
            "name": _list_of(human),
            "gender": _maybe(st.sampled_from(("male", "female"))),
            "active": _maybe(st.booleans()),
            "identifier": _list_of(_identifiers),
            "birthDate": _maybe(st.sampled_from(DATES)),
            "managingOrganization": _reference(names, "Organization"),
            "link": _list_of(link),
        }
    )


def _organizations(names: list[str]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {
            "name": _texts,
            "alias": _list_of(_texts),
            "active": _maybe(st.booleans()),
            "identifier": _list_of(_identifiers),
            "partOf": _reference(names, "Organization"),
        }
    )


def _observations(names: list[str]) -> st.SearchStrategy[Json]:
    component = st.fixed_dictionaries({"code": _concepts}, optional={"valueQuantity": _quantities})
    value = st.one_of(
        st.just({}), _quantities.map(lambda q: {"valueQuantity": q}), _texts.map(lambda t: {"valueString": t})
    )
    when = st.one_of(
        st.just({}),
        st.sampled_from(MOMENTS).map(lambda t: {"effectiveDateTime": t}),
        _periods.map(lambda p: {"effectivePeriod": p}),
    )
    elements = st.fixed_dictionaries(
        {
            "status": st.sampled_from(STATUSES),
            "code": _concepts,
            "category": _list_of(_concepts),
            "component": _list_of(component),
            "subject": _reference(names, "Patient"),
            "performer": _list_of(_reference(names, "Organization", "Patient")),
        }
    )
    whole = st.builds(lambda *parts: _observation({k: v for p in parts for k, v in p.items()}), elements, value, when)
    inside = _resource("Patient", "c", names)
    return st.one_of(whole, whole, st.builds(_containing, whole, inside))


def _containing(elements: Json, patient: Json) -> Json:
    return elements | {"contained": [patient], "subject": {"reference": "#c"}}


def _observation(elements: Json) -> Json:
    """obs-7: what a component's code says too is not said of the whole."""
    own = elements["code"].get("coding", ())
    if any(coding in own for each in elements["component"] for coding in each["code"].get("coding", ())):
        return {name: value for name, value in elements.items() if name not in ("valueQuantity", "valueString")}
    return elements


def _assessments(names: list[str]) -> st.SearchStrategy[Json]:
    percent = {"system": UCUM, "code": "%"}
    ends = st.sampled_from((("0", "50"), ("50", "100"), ("0.5", "1")))
    decimal = st.sampled_from([n for n in NUMBERS if 0 <= Decimal(n) <= 100]).map(
        lambda n: {"probabilityDecimal": Decimal(n)}
    )
    between = ends.map(
        lambda e: {
            "probabilityRange": {n: {"value": Decimal(v)} | percent for n, v in zip(("low", "high"), e, strict=True)}
        }
    )
    return st.fixed_dictionaries(
        {
            "status": st.just("final"),
            "subject": _reference(names, "Patient").map(lambda r: r or {"display": "x"}),
            "occurrenceDateTime": _maybe(st.sampled_from(MOMENTS)),
            "prediction": _list_of(st.one_of(decimal, between)),
        }
    )


def _value_sets(_names: list[str]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {"status": st.just("draft"), "url": _maybe(st.sampled_from(URLS)), "version": _maybe(st.sampled_from(CODES))}
    )


_BUILDERS: Final = {
    "Patient": _patients,
    "Organization": _organizations,
    "Observation": _observations,
    "RiskAssessment": _assessments,
    "ValueSet": _value_sets,
}


# ---- searches ---------------------------------------------------------------------------------------------------------------


@st.composite
def searches(draw: st.DrawFn, world: list[Json]) -> tuple[str, list[Item]]:
    kind = draw(st.sampled_from(sorted({r["resourceType"] for r in world})))
    return kind, draw(st.lists(criteria(kind, world), min_size=1, max_size=draw(st.sampled_from((1, 1, 2)))))


def criteria(kind: str, world: list[Json], depth: int = 3) -> st.SearchStrategy[Item]:
    """A parameter of the type, or one that leads on to another type."""
    plain = st.sampled_from(sorted(PARAMETERS[kind])).flatmap(lambda code: _criterion(kind, code, world))
    ways = [way for way in _ways(kind) if _is_gone(kind, way, world)] or _ways(kind) if depth else []
    leading = st.sampled_from(ways).flatmap(lambda way: _led(way, world, depth - 1)) if ways else plain
    return st.one_of(plain, leading, leading, _composites() if kind == "Observation" else plain)


def _is_gone(kind: str, way: tuple[str, str], world: list[Json]) -> bool:
    """Some reference in this world leads that way."""
    head, other = way
    if head.startswith("_has:"):
        source, code, target = other, head.split(":")[2], kind
    else:
        source, code, target = kind, head.rstrip(".").partition(":")[0], other
    return any(
        value.get("reference", "").startswith(f"{target}/")
        for resource in world
        if resource["resourceType"] == source
        for value in PARAMETERS[source][code].values(resource)
    )


def _led(way: tuple[str, str], world: list[Json], depth: int) -> st.SearchStrategy[Item]:
    return criteria(way[1], world, depth).map(lambda item: (way[0] + item[0], item[1]))


@cache
def _ways(kind: str) -> list[tuple[str, str]]:
    """What can stand before a parameter, and the type whose parameter it then is."""
    forth = [
        (f"{head}.", target)
        for code, parameter in PARAMETERS[kind].items()
        for target in parameter.targets
        if target in PARAMETERS
        for head in {code, f"{code}:{target}"}
    ]
    back = [
        (f"_has:{source}:{code}:", source)
        for source, parameters in PARAMETERS.items()
        for code, parameter in parameters.items()
        if kind in parameter.targets
    ]
    return sorted(forth) + back


def _criterion(kind: str, code: str, world: list[Json]) -> st.SearchStrategy[Item]:
    parameter = PARAMETERS[kind][code]
    missing = st.sampled_from(("true", "false")).map(lambda v: (f"{code}:missing", v))
    there = [value for resource in world if resource["resourceType"] == kind for value in parameter.values(resource)]

    def asked(modifier: str) -> st.SearchStrategy[Item]:
        name = f"{code}:{modifier}" if modifier else code
        own = sorted({text for value in there for text in said(parameter.kind, value, modifier)})
        value = _value(parameter, modifier, world)
        values = st.one_of(st.sampled_from(own), st.sampled_from(own), value) if own else value
        return st.lists(values, min_size=1, max_size=2, unique=True).map(lambda found: (name, ",".join(found)))

    values = st.sampled_from(_modifiers(kind, code, parameter)).flatmap(asked)
    return st.one_of(values, values, values, values, missing)


def _modifiers(kind: str, code: str, parameter: Parameter) -> tuple[str, ...]:  # noqa: PLR0911 - one for each kind
    match parameter.kind:
        case "string" | "name":
            return ("", "", "exact", "contains")
        case "token" if code == "identifier":
            return ("", "", "not", "of-type")
        case "token" if code in ("code", "category", "component-code", "combo-code"):
            return ("", "", "not", "text")
        case "token":
            return ("", "not")
        case "reference":
            hierarchy = ("above", "below") if "Organization" in parameter.targets else ()
            return ("", "", "identifier", *hierarchy, *(t for t in parameter.targets if t in PARAMETERS))
        case "uri":
            return ("", "below", "above")
    return ("",)


def _value(  # noqa: PLR0911 - one for each kind
    parameter: Parameter, modifier: str, world: list[Json]
) -> st.SearchStrategy[str]:
    ids = [r for r in world if r["resourceType"] in parameter.targets]
    match parameter.kind:
        case "token" if modifier == "text":
            return _texts
        case "token" if modifier == "of-type":
            return st.sampled_from([f"{s}|{c}|{v}" for s in SYSTEMS if s for c in CODES for v in CODES])
        case "token":
            return st.sampled_from((*CODES, "male", "female", "true", "false", *STATUSES)) | _full_tokens()
        case "reference" if modifier == "identifier":
            return _full_tokens()
        case "reference" if modifier in ("above", "below"):
            return st.sampled_from(
                [f"Organization/{r['id']}" for r in ids if r["resourceType"] == "Organization"]
                or ["Organization/nobody"]
            )
        case "reference" if modifier:
            return st.sampled_from([r["id"] for r in ids if r["resourceType"] == modifier] or ["nobody"])
        case "reference":
            return st.sampled_from(
                [f"{r['resourceType']}/{r['id']}" for r in ids] + [r["id"] for r in ids] or ["Patient/nobody"]
            )
        case "string" | "name":
            return _texts | st.sampled_from(
                ("l", "m", "秀", "%", "_", "N", "zhangsan", "zs", "xiu ying", "张 三", "lvyu")
            )
        case "uri":
            return st.sampled_from((*URLS, "http://acme.test/a/b/c/d", "http://acme.test"))
    return _measure(parameter)


def _full_tokens() -> st.SearchStrategy[str]:
    forms = [f"{system or ''}|{code}" for system in SYSTEMS for code in CODES] + [
        f"{system}|" for system in SYSTEMS if system
    ]
    return st.sampled_from([*CODES, *forms])


def _measure(parameter: Parameter) -> st.SearchStrategy[str]:
    prefixes = st.sampled_from(PREFIXES)
    if parameter.kind == "date":
        return st.builds(lambda p, d: p + d.replace("+", "%2B"), prefixes, st.sampled_from(MOMENTS))
    numbers = st.sampled_from((*NUMBERS, "1e2", "0.001", "0.1"))
    if parameter.kind == "number":
        return st.builds(str.__add__, prefixes | st.just("ap"), numbers)
    units = ("", f"|{UCUM}|mg", f"|{UCUM}|g", "|http://s1.test|mg", "||mg", "||grams")
    return st.builds(lambda p, n, u: p + n + u, prefixes | st.just("ap"), numbers, st.sampled_from(units))


def _composites() -> st.SearchStrategy[Item]:
    measured = _measure(Parameter("quantity", lambda _: []))
    codes = ("code-value-quantity", "component-code-value-quantity", "combo-code-value-quantity")
    return st.one_of(
        st.builds(lambda name, c, q: (name, f"{c}${q}"), st.sampled_from(codes), _full_tokens(), measured),
        st.builds(lambda c, t: ("code-value-string", f"{c}${t}"), _full_tokens(), _texts),
    )
