"""SMART v2 scopes say exactly what they say: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fhir.scopes import LETTERS, Permissions, Scope, ScopeError, narrow, parse_scope, parse_scopes, permissions


def test_a_scope_is_read_into_its_parts() -> None:
    text = "system/Observation.rs?category=vital-signs&_security=http://hl7.org|N"
    assert parse_scope(text) == Scope(
        "system", "Observation", "rs", (("category", "vital-signs"), ("_security", "http://hl7.org|N")), text
    )
    assert parse_scope("system/*.cruds") == Scope("system", "*", "cruds", (), "system/*.cruds")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "system/Observation",
        "system/Observation.",
        "system/Observation.sr",
        "system/Observation.rr",
        "system/Observation.x",
        "system/observation.r",
        "system/Obs*.r",
        "System/Observation.r",
        "launch/patient",
        "openid",
        "system/Observation.r?",
        "system/Observation.r?category",
        "system/Observation.r?=x",
        "system/Observation.r system/Patient.r",
        "system/Observation.read",
        "system/*.*",
        "system/Ｏbservation.r",
    ],
)
def test_what_is_not_a_scope_is_refused(text: str) -> None:
    with pytest.raises(ScopeError):
        parse_scope(text)


def test_version_1_is_told_what_to_write() -> None:
    with pytest.raises(ScopeError, match=r"write \.rs for \.read"):
        parse_scope("system/Patient.read")


@pytest.mark.parametrize(
    ("scopes", "type_name", "letters", "allowed"),
    [
        ("system/*.cruds", "Patient", "c", True),
        ("system/*.cruds", "*", "s", True),
        ("system/*.rs", "Patient", "u", False),
        ("system/Patient.rs", "Patient", "r", True),
        ("system/Patient.rs", "Observation", "r", False),
        ("system/Patient.rs", "*", "s", False),
        ("system/Patient.r system/*.s", "Patient", "rs", True),
        ("system/Patient.r system/*.s", "Observation", "rs", False),
        ("system/Patient.r system/Patient.u", "Patient", "ru", True),
        ("system/Observation.rs?category=vital-signs", "Observation", "r", False),
        ("system/*.rs?category=vital-signs", "*", "s", False),
        ("", "Patient", "r", False),
    ],
)
def test_permissions(scopes: str, type_name: str, letters: str, *, allowed: bool) -> None:
    assert permissions(tuple(scopes.split())).allow(type_name, letters) is allowed


@pytest.mark.parametrize(
    ("asked", "registered", "granted"),
    [
        ("system/*.cruds", "system/*.cruds", "system/*.cruds"),
        ("system/*.cruds", "system/Task.rs", "system/Task.rs"),
        ("system/Task.cruds", "system/*.rs", "system/Task.rs"),
        ("system/Task.rs system/Slot.r", "system/Task.rs", "system/Task.rs"),
        ("system/*.rs", "system/Task.cruds system/Slot.s", "system/Task.rs system/Slot.s"),
        ("system/Task.c", "system/Task.rs", ""),
        ("user/Task.r", "system/*.cruds", ""),
        ("system/Task.rs?status=ready", "system/Task.r", "system/Task.r?status=ready"),
        ("system/Task.rs", "system/Task.r?status=ready", "system/Task.r?status=ready"),
        ("system/Task.r?status=done", "system/Task.r?status=ready", "system/Task.r?status=done&status=ready"),
        ("system/Task.r?status=ready", "system/Task.r?status=ready", "system/Task.r?status=ready"),
    ],
)
def test_a_request_is_narrowed_to_what_is_registered(asked: str, registered: str, granted: str) -> None:
    assert " ".join(narrow(parse_scopes(asked), parse_scopes(registered))) == granted


TYPES = st.sampled_from(["Patient", "Task", "Slot", "*"])
SETS = st.lists(
    st.builds(
        "system/{}.{}".format,
        TYPES,
        st.sets(st.sampled_from(LETTERS), min_size=1).map(lambda letters: "".join(sorted(letters, key=LETTERS.index))),
    ),
    max_size=4,
).map(" ".join)


@given(SETS, SETS, TYPES, st.sampled_from(LETTERS))
def test_narrowing_is_an_intersection(asked: str, registered: str, type_name: str, letter: str) -> None:
    one, other = parse_scopes(asked), parse_scopes(registered)
    both = Permissions(one).allow(type_name, letter) and Permissions(other).allow(type_name, letter)
    assert permissions(narrow(one, other)).allow(type_name, letter) is both
