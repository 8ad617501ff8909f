"""The part of FHIRPath that R4's own expressions use, as a tree: http://hl7.org/fhirpath/N1/#grammar"""

import re
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec


class Focus(msgspec.Struct, frozen=True):
    """What an expression without a source is applied to; also `$this`."""


class Empty(msgspec.Struct, frozen=True):
    """The empty collection, `{}`."""


class Variable(msgspec.Struct, frozen=True):
    name: str  # "resource"


class Literal(msgspec.Struct, frozen=True):
    value: Any


class Member(msgspec.Struct, frozen=True):
    source: "Node"
    name: str


class Call(msgspec.Struct, frozen=True):
    source: "Node"
    function: str
    arguments: tuple["Node", ...]


class At(msgspec.Struct, frozen=True):
    source: "Node"
    position: int


class Binary(msgspec.Struct, frozen=True):
    operator: str
    left: "Node"
    right: "Node"


Node = Focus | Empty | Variable | Literal | Member | Call | At | Binary

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>`[^`]+`)"
    r"|(?P<word>[%$]?[A-Za-z_]\w*)|(?P<sign>!=|<=|>=|[|&+<>=().,\[\]{}]))"
)
_BINDING: Final = (  # loosest first: http://hl7.org/fhirpath/N1/#operator-precedence
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "!="),
    ("<", "<=", ">", ">="),
    ("|",),
    ("is", "as"),
    ("+", "&"),
)
_CONSTANTS: Final = {"true": True, "false": False}
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


class _Parser:
    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = _tokens(expression)
        self.position = 0

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            self.refuse()
        self.position += 1
        return token

    def refuse(self) -> NoReturn:
        raise ValueError(f"not an expression that R4 uses, at {self.peek()!r}: {self.expression}")

    def binary(self, level: int = 0) -> Node:
        if level == len(_BINDING):
            return self.invocations(self.term())
        node = self.binary(level + 1)
        while self.peek() in _BINDING[level]:
            node = Binary(self.take(), node, self.binary(level + 1))
        return node

    def term(self) -> Node:
        word = self.take()
        if word in ("(", "{"):
            node = self.binary() if word == "(" else Empty()
            self.take(")" if word == "(" else "}")
            return node
        if word[0] == "'" or word[0].isdigit() or word in _CONSTANTS:
            return Literal(_literal(word))
        if word == "$this":
            return Focus()
        return Variable(word[1:]) if word[0] == "%" else self.named(Focus(), word)

    def named(self, source: Node, name: str) -> Node:
        if name[0] == "`":
            return Member(source, name[1:-1])
        if not name[0].isalpha():
            self.refuse()
        if self.peek() != "(":
            return Member(source, name)
        self.take("(")
        arguments: list[Node] = []
        while self.peek() != ")":
            arguments.append(self.binary())
            if self.peek() == ",":
                self.take()
        self.take(")")
        return Call(source, name, tuple(arguments))

    def invocations(self, node: Node) -> Node:
        while self.peek() in (".", "["):
            if self.take() == ".":
                node = self.named(node, self.take())
            else:
                node = At(node, int(self.take()))
                self.take("]")
        return node


def _tokens(expression: str) -> list[str]:
    tokens, position = [], 0
    text = expression.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ValueError(f"not an expression that R4 uses, at {position}: {expression}")
        tokens.append(found[0].lstrip())
        position = found.end()
    return tokens


def _literal(word: str) -> Any:
    if word[0] == "'":
        return _unescaped(word[1:-1])
    return _CONSTANTS[word] if word in _CONSTANTS else Decimal(word) if "." in word else int(word)


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _character(found[1]), text)


def _character(escape: str) -> str:
    return chr(int(escape[1:], 16)) if len(escape) > 1 else _ESCAPED.get(escape, escape)


def parse_expression(expression: str) -> Node:
    """Raise ValueError for what R4's own expressions do not use."""
    parser = _Parser(expression)
    node = parser.binary()
    if parser.peek():
        parser.refuse()
    return node
