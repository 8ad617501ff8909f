"""docs/quality.md, drawn from the tables of the Tasks that are no referrals (services/fhir/definitions/workflows)."""

from collections.abc import Iterator

from services.fhir.tasks.table import ACTORS, NEW, SAME, Clock, Move, Need, Workflow, workflows


def task_workflows(notice: str) -> str:
    """The states, acts, clocks and effects of each, in Chinese and English."""
    lines = [
        "# Quality of service as workflows · 服务质量流程",
        notice,
        "Each is a Task of its own `code` (`task-code`), whose `businessStatus` is its state. It is made by `POST Task`, and moved by `PUT` or `PATCH` with",
        "`If-Match`: the new version names the state that the act leads to (or its FHIR status alone, where that says enough) and brings what the act needs, as",
        "`input` or `output` with a type of `task-parameter`. The server writes `status`, `authoredOn`, `lastModified` and the deadline in `restriction.period.end`;",
        "`GET Task?code=complaint&deadline=lt…` finds what is late. What the table has not is 422 and says what is open. Hours are defaults, no national document names",
        "them all. A table is a file: another workflow needs no code ([adr/0047](adr/0047-a-task-of-its-own-is-a-table-of-data.md)).",
        "",
        *(line for each in workflows().values() for line in _told(each)),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _told(workflow: Workflow) -> Iterator[str]:
    yield f"## {workflow.zh} · {workflow.en}"
    yield f"Code `{workflow.code}`; {workflow.source}; sure: {workflow.confidence}. A patient (`for`) is {workflow.patient}."
    yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from (f'  state "{state.zh} {state.code}" as {state.code}' for state in workflow.states)
    for move in workflow.moves:
        for source in move.from_:
            yield f"  {source or '[*]'} --> {source if move.to == SAME else move.to}: {move.zh} {move.act}"
    yield "```"
    yield "| Act | 中文 | From | To | By | Needs |"
    yield "|---|---|---|---|---|---|"
    yield from map(_move, workflow.moves)
    yield ""
    yield "| State | Task.status | Lasts at most | Then |"
    yield "|---|---|---|---|"
    for state in workflow.states:
        yield f"| `{state.code}` {state.zh} | {state.status} | {_clock(workflow.clock(state.code))} |"
    yield ""
    for effect in workflow.effects:
        yield f"`{effect.act}` brings a {effect.resource['resourceType']} into its own commit."
        yield ""


def _move(move: Move) -> str:
    sources = ", ".join(f"`{each}`" if each != NEW else "—" for each in move.from_)
    actors = "、".join(f"{ACTORS[each][0]} {ACTORS[each][1]}" for each in move.by)
    return f"| `{move.act}` | {move.zh} | {sources} | `{move.to}` | {actors} | {'; '.join(map(_need, move.needs))} |"


def _need(need: Need) -> str:
    if not need.kind:
        return f"{need.element}, another than who applies" if need.another else need.element
    of = f": {need.type}" if need.type else ""
    values = f" ({', '.join(need.values)})" if need.values else ""
    most = f", at most {need.at_most} before" if need.at_most is not None else ""
    return f"{need.element} `{need.kind}`{of}{values}{most}"


def _clock(clock: Clock | None) -> str:
    if clock is None:
        return " | "
    since = " from the beginning" if clock.since == "beginning" else ""
    return f"{clock.hours} h{since} | {f'`{clock.act}`' if clock.act else 'told as late'}"
