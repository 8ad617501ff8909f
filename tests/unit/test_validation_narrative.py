"""A narrative is well-formed XHTML without active content: http://hl7.org/fhir/R4/narrative.html#xhtml"""

import pytest

from services.fhir.validation import checks

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def code_of(div: object) -> str | None:
    """Give the issue code of a narrative with this div, None for a valid one."""
    findings = checks.check_of("Narrative")({"status": "generated", "div": div})
    assert all(path == ".div" for path, _ in findings)
    return findings[0][1].code if findings else None


@pytest.mark.parametrize(
    "content",
    [
        "<p>血压 <b>107</b>/60&nbsp;mmHg &lt; 140 &eacute; &#160; &#x4e2d;</p>",
        '<table class="grid" border="1"><tbody><tr><td colspan="2" style="color: red">x</td></tr></tbody></table>',
        '<a href="https://example.org/a?b=c&amp;d=e">x</a> <a href="#part">y</a> <a href="Patient/1:2">z</a> <a name="n">n</a>',
        '<img src="data:image/png;base64,iVBORw0KGgo=" alt="x"/>',
        '<img src="image/a.png" alt=""/>',
        "<!-- a note -->text",
        '<ul xml:lang="zh" lang="zh" dir="ltr"><li id="a" title="t">x<br/></li></ul>',
    ],
)
def test_basic_formatting_is_welcome(content: str) -> None:
    assert code_of(f"<div {XHTML}>{content}</div>") is None


def test_the_namespace_may_have_a_prefix() -> None:
    assert code_of('<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:p>x</h:p></h:div>') is None


@pytest.mark.parametrize(
    "content",
    [
        "<script>alert(1)</script>",
        "<SCRIPT>alert(1)</SCRIPT>",
        '<p onclick="alert(1)">x</p>',
        '<p OnClick="alert(1)">x</p>',
        '<iframe src="https://example.org">x</iframe>',
        '<form action="https://example.org"><input name="a"/>x</form>',
        "<style>p {color: red}</style>x",
        '<link href="https://example.org/a.css"/>x',
        '<object data="a">x</object>',
        '<svg xmlns="http://www.w3.org/2000/svg"><text>x</text></svg>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href=" JavaScript:alert(1)">x</a>',
        '<a href="java&#9;script:alert(1)">x</a>',
        '<a href="&#106;avascript:alert(1)//">x</a>',
        '<a href="vbscript:x">x</a>',
        '<a href="data:text/html,x">x</a>',
        '<img src="data:image/svg+xml,x" alt="x"/>',
        '<p style="width: expression(alert(1))">x</p>',
        '<p style="background: url(javascript:alert(1))">x</p>',
        '<p style="width: e\\78pression(1)">x</p>',
        '<a x:href="a" xmlns:x="http://www.w3.org/1999/xlink">x</a>',
        "<?php x ?>x",
    ],
)
def test_active_content_is_refused(content: str) -> None:
    assert code_of(f"<div {XHTML}>{content}</div>") == "invariant"


@pytest.mark.parametrize(
    "div",
    [
        "text",
        "<div>no namespace</div>",
        f"<p {XHTML}>x</p>",
        f"<div {XHTML}>x",
        f"<div {XHTML}><p>x</div></p>",
        f"<div {XHTML}>x</div><div {XHTML}>y</div>",
        f"<div {XHTML}>a & b</div>",
        f"<div {XHTML}>&unknown;</div>",
        f"<div {XHTML}>\x01</div>",
    ],
)
def test_what_is_not_one_div_is_refused(div: str) -> None:
    assert code_of(div) == "value"


@pytest.mark.parametrize("content", ["", "  \n ", "<p> </p>", "<br/>"])
def test_an_empty_narrative_is_refused(content: str) -> None:
    assert code_of(f"<div {XHTML}>{content}</div>") == "invariant"


@pytest.mark.parametrize("div", [None, "", 1, {}])
def test_a_div_is_a_string(div: object) -> None:
    assert code_of(div) == "structure"


def test_entities_cannot_grow() -> None:
    declaration = '<!DOCTYPE div [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    assert code_of(f"{declaration}<div {XHTML}>&b;</div>") == "invariant"
    assert code_of(f'<?xml version="1.0" encoding="utf-16"?><div {XHTML}>x</div>') == "invariant"


def test_a_narrative_without_div_is_refused() -> None:
    (finding,) = checks.check_of("Narrative")({"status": "generated"})
    assert (finding[0], finding[1].code) == (".div", "required")
