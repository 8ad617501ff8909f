"""The texts of `_text` and `_content`: words, "phrases", AND, OR, NOT and parentheses: http://hl7.org/fhir/R4/search.html#text"""

import re
from typing import Final

from services.fhir.search.query import Words
from services.fhir.search.refusals import invalid
from services.fhir.search.words import cut

MAX_DEPTH: Final = 20
_TOKEN: Final = re.compile(r"\s*(\(|\)|\"[^\"]*\"?|[^\s()\"]+)")


def parse_text(name: str, text: str) -> Words:
    """`(bone OR liver) AND metastases`; words that stand side by side must all be there."""
    parser = _Parser(name, [found[1] for found in _TOKEN.finditer(text)])
    words = parser.either()
    if parser.tokens:
        raise parser.refusal()
    return words


class _Parser:
    def __init__(self, name: str, tokens: list[str]) -> None:
        self.name = name
        self.tokens = tokens[::-1]
        self.depth = 0

    def refusal(self) -> Exception:
        return invalid(self.name, "words, AND, OR, NOT and balanced parentheses", "应为词语、AND、OR、NOT 和成对的括号")

    def either(self) -> Words:
        parts = [self.both()]
        while self.word() == "OR":
            self.tokens.pop()
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Words(operator="or", parts=tuple(parts))

    def both(self) -> Words:
        parts = [self.one()]
        while (word := self.word()) and word not in ("OR", ")"):
            if word == "AND":
                self.tokens.pop()
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else Words(operator="and", parts=tuple(parts))

    def one(self) -> Words:
        self.depth += 1
        if not self.tokens or self.depth > MAX_DEPTH:
            raise self.refusal()
        token = self.tokens.pop()
        word = token.upper()
        if word == "NOT":
            found = Words(operator="not", parts=(self.one(),))
        elif word == "(":
            found = self.either()
            if not self.tokens or self.tokens.pop() != ")":
                raise self.refusal()
        elif word in (")", "AND", "OR"):
            raise self.refusal()
        else:
            found = self.leaf(token)
        self.depth -= 1
        return found

    def leaf(self, token: str) -> Words:
        words = tuple(cut(token))
        if not words:
            raise self.refusal()
        return Words(words)

    def word(self) -> str:
        return self.tokens[-1].upper() if self.tokens else ""
