"""docs/referral-workflow.md, drawn from the table of the referral (services/referral/workflow.py)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from services.referral.clocks import DEFAULTS, EXPIRES_AFTER, LONGEST, PRIORITIES, WORKING
from services.referral.guards import GUARDS
from services.referral.package import FEEDBACK, SECTIONS, Section
from services.referral.states import NEW, STATES, TERMINAL
from services.referral.workflow import ACTORS, MOVES, RESUMED, SAME, Move

_RAREST: Final = frozenset({"void", "request-void", "supplement", "edit", "flag"})
"""Not drawn: they are open nearly everywhere."""


def referral_workflow(notice: str) -> str:
    """The states, drawn and told, the acts, their guards, the clocks and the package, in Chinese and English."""
    lines = [
        "# Two-way referral as a workflow · 双向转诊流程",
        notice,
        "A Task (code `referral`) carries the state in `businessStatus`; its ServiceRequest follows in the same commit. Two equal doors: `PUT`/`PATCH` with",
        "`If-Match`, or `POST Task/{id}/$<act>`. `GET Task/{id}/$actions` lists what is open to the caller now; anything else is 422 and says the same.",
        "",
        "## 状态图 · States, drawn",
        *_diagram(),
        "",
        "## 状态 · States",
        "| State | 中文 | Task.status | ServiceRequest.status | BSeR |",
        "|---|---|---|---|---|",
        *(f"| `{s.code}` | {s.zh} | {s.task} | {s.request} | {' / '.join(s.bser)} |" for s in STATES.values()),
        "",
        f"At the end, never to move again but to be voided: {', '.join(f'`{code}`' for code in STATES if code in TERMINAL)}. While another Task of the same",
        "request is live, the end of one leaves the request active.",
        "",
        "## 操作 · Acts",
        "| Act | 中文 | From | To | By | 须附带/条件 · Must accompany, must hold |",
        "|---|---|---|---|---|---|",
        *map(_act, MOVES),
        "",
        *_actors(),
        "",
        "## 时限 · Clocks",
        *_clocks(),
        "",
        "## 资料包 · The package",
        *_package(),
    ]
    return "\n".join(lines) + "\n"


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from (f'  state "{state.zh} {code}" as {_name(code)}' for code, state in STATES.items())
    yield "  [*] --> draft: 起草 draft"
    for move in MOVES:
        if move.act in _RAREST or move.to == SAME:
            continue
        for source in sorted(move.sources - {NEW}, key=list(STATES).index):
            for target in _targets(move):
                new = "（新任务 new Task）" if move.new else ""
                yield f"  {_name(source)} --> {_name(target)}: {move.zh}{new} {move.act} [{move.by}]"
    yield from (f"  {_name(code)} --> [*]" for code in STATES if code in TERMINAL)
    yield "```"


def _targets(move: Move) -> list[str]:
    if move.to != RESUMED:
        return [move.to]
    origin = next(m for m in MOVES if m.act == "request-cancel").sources
    return sorted(origin, key=list(STATES).index)


def _name(code: str) -> str:
    return code.replace("-", "_")


def _act(move: Move) -> str:
    sources = sorted(move.sources, key=[NEW, *STATES].index)
    every = len(sources) == len(STATES) - 1
    stated = "any" if every else ", ".join(f"`{code}`" if code else "(new)" for code in sources)
    target = {SAME: "unchanged", RESUMED: "the state before"}.get(move.to, f"`{move.to}`")
    needs = "; ".join(f"{GUARDS[name].zh} ({GUARDS[name].en})" for name in move.needs)
    by = ", ".join(sorted(move.actors, key=list(ACTORS).index))
    return f"| `{move.act}` | {move.zh} | {stated} | {'new Task ' if move.new else ''}{target} | {by} | {needs} |"


def _actors() -> Iterator[str]:
    told = "; ".join(f"{code} {zh} ({en})" for code, (zh, en) in ACTORS.items())
    yield f"Actors: {told}. A request whose `occurrence` is earlier than `authoredOn` is submitted after the event (先救治后补录): it needs the waiver's reason, and its"
    yield "package may follow. Whoever adds an input or output of another patient, changes a party, or takes an input away, is refused with 422 at that element."
    yield ""
    yield "A placer revokes (`PUT ServiceRequest`, status `revoked`) a request none of whose Tasks is live, for instance after a rejection."


def _clocks() -> Iterator[str]:
    yield f"Defaults; the agreement's `Contract.term` (`clock`) comes before them. Routine clocks of {', '.join(sorted(WORKING))} count working hours in Asia/Shanghai"
    yield "(weekends, holidays and 调休 in `services/referral/holidays.json`; hours in `YIYANG_WORKING_HOURS`). The clocks of `receive` and `accept` run from the submission, that of"
    yield "`accept` stands still while the placer is asked. At 50 % and 100 % the fulfiller and the head of the consortium are told, once each. What waits expires after"
    yield f"{EXPIRES_AFTER} × the clock of `accept`, {_length(LONGEST)} at most (of the same kind of hours); an emergency (stat) never does."
    yield ""
    yield f"| Clock | {' | '.join(PRIORITIES)} |"
    yield f"|---|{'---|' * len(PRIORITIES)}"
    yield from (f"| `{act}` | {' | '.join(map(_length, lengths))} |" for act, lengths in DEFAULTS.items())


def _length(length: timedelta | None) -> str:
    if length is None:
        return "–"
    minutes = int(length.total_seconds() // 60)
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def _package() -> Iterator[str]:
    yield "A document Bundle; M = entries, or `emptyReason` of nilknown | notasked | withheld | unavailable. `*` is what a stat referral sends at once; the rest follows within 24 h."
    yield ""
    yield "| Section | LOINC | up | up, from a nursing home | down |"
    yield "|---|---|---|---|---|"
    for s in SECTIONS:
        home = s.need("up", "nursing-home")
        yield f"| {s.zh}{'*' if s.summary else ''} · {s.en} | {_codes(s)} | {s.up} | {home} | {s.down} |"
    yield "| 转诊医生签名 · signature | Composition.author, attester | M | M | M |"
    yield ""
    yield f"The 回转单 of an upward referral (`feedback`): {', '.join(f'{s.zh} ({_codes(s)})' for s in FEEDBACK)}."


def _codes(section: Section) -> str:
    return " / ".join(section.codes)
