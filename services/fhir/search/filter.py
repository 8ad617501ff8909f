"""The parameter `_filter`: http://hl7.org/fhir/R4/search_filter.html#grammar"""

import json
import re
from collections.abc import Callable
from typing import Final

from services.fhir.search.filter_tests import Test
from services.fhir.search.query import All, AnyOf, Condition, Not
from services.fhir.search.refusals import invalid, too_many

MAX_TESTS: Final = 50
MAX_DEPTH: Final = 20


_NAME: Final = r"[A-Za-z_][\w-]*(?::[A-Za-z]+)?"

ParseTest = Callable[[Test], Condition | None]


def parse_filter(text: str, parse: ParseTest) -> Condition | None:
    """Give None when a parameter is unknown; `and` and `or` bind alike, from left to right."""
    reader = _Reader(text, parse)
    found = reader.filter()
    if not reader.at_end():
        raise reader.refusal()
    return None if reader.is_unknown else found


class _Reader:
    def __init__(self, text: str, parse: ParseTest) -> None:
        self.text = text
        self.place = 0
        self.depth = 0
        self.tests = 0
        self.parse = parse
        self.is_unknown = False

    def refusal(self) -> Exception:
        return invalid(
            "_filter",
            f"not understood at character {self.place}: the form is path operator value, joined by and, or, not(…)",
            f"第 {self.place} 个字符处有误，格式应为 路径 运算符 值，以 and、or、not(…) 连接",
        )

    def at_end(self) -> bool:
        return not self.text[self.place :].strip()

    def filter(self) -> Condition:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise too_many("nested filters", "层嵌套条件", MAX_DEPTH)
        found = self.one()
        while word := self.taken(r"(?:and|or)(?=[\s(])"):
            other = self.one()
            found = All((found, other)) if word == "and" else AnyOf((found, other))
        self.depth -= 1
        return found

    def one(self) -> Condition:
        negated = self.taken(r"not(?=\s*\()")
        if self.taken(r"\("):
            found = self.filter()
            if not self.taken(r"\)"):
                raise self.refusal()
            return Not(found) if negated else found
        self.tests += 1
        if self.tests > MAX_TESTS:
            raise too_many("tests in one filter", "个过滤条件", MAX_TESTS)
        return self.test()

    def test(self) -> Condition:
        steps, within = self.path()
        operator = self.taken(r"[a-z]{2}(?=\s)")
        value = self.value() if operator else None
        if operator is None or value is None:
            raise self.refusal()
        found = self.parse(Test(steps, operator, *value, within))
        if found is None:
            self.is_unknown = True
            return All(())
        return found

    def path(self) -> tuple[tuple[str, ...], tuple[Test, ...]]:
        """Names joined by dots; the tests in brackets behind the first of them are about the element that it names."""
        steps: list[str] = []
        within: tuple[Test, ...] = ()
        while True:
            name = self.taken(_NAME)
            if name is None:
                raise self.refusal()
            steps.append(name)
            if not within and len(steps) == 1 and self.taken(r"\["):
                within = self.bracket()
                if not self.taken(r"\."):
                    raise self.refusal()
            elif not self.taken(r"\."):
                return tuple(steps), within

    def bracket(self) -> tuple[Test, ...]:
        tests: list[Test] = []
        outer, self.parse = self.parse, _collect_into(tests)
        self.one()
        while self.taken(r"and(?=\s)"):
            self.one()
        self.parse = outer
        if not self.taken(r"\]"):
            raise self.refusal()
        return tuple(tests)

    def value(self) -> tuple[str, bool] | None:
        """A JSON string, or anything without white space, `)` and `]`; and whether it was a string."""
        string = self.taken(r"\"(?:[^\"\\]|\\.)*\"")
        if string is not None:
            try:
                return str(json.loads(string)), True
            except ValueError:
                raise self.refusal() from None
        token = self.taken(r"[^\s)\]\"][^\s)\]]*")
        return (token, False) if token else None

    def taken(self, pattern: str) -> str | None:
        found = re.compile(rf"\s*({pattern})").match(self.text, self.place)
        if found is None:
            return None
        self.place = found.end()
        return found[1]


def _collect_into(tests: list[Test]) -> ParseTest:
    def parse(test: Test) -> Condition:
        tests.append(test)
        return All(())

    return parse
