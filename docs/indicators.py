"""What is counted, and the targets, as a document made from their files."""

from collections.abc import Iterator

from services.care.indicators.indicator import Figure, Indicator, Target
from services.care.indicators.load import load_indicators, load_targets


def indicators(notice: str) -> str:
    """One row for each figure of each indicator, then the targets."""
    lines = [
        "# Indicators 指标",
        notice,
        *_HEAD,
        "| Measure | Figure | Denominator | Numerator | Sure |",
        "|---|---|---|---|---|",
        *(_row(each, group) for each in load_indicators().values() for group in each.groups),
        "",
        "## Assumptions",
        *_assumptions(),
        "",
        "## Targets",
        "By measure, from a year on, in a division and all inside of it: the longest division counts, then the latest year. A file of one's own",
        "(`YIYANG_INDICATOR_TARGETS`, the form of `services/care/indicators/targets.json`) comes before these.",
        "",
        "| Measure | Division | From | Target | Source | Sure |",
        "|---|---|---|---|---|---|",
        *map(_target, load_targets()),
    ]
    return "\n".join(lines) + "\n"


_HEAD = (
    "`GET /fhir/Measure/{id}/$evaluate-measure?periodStart=2026&periodEnd=2026` answers a MeasureReport, computed from what is stored at that moment",
    "and stored nowhere ([adr/0038](adr/0038-figures-are-computed-when-asked.md)). It asks for the scope `MeasureReport.r`. `subject` is",
    "`Organization/{id}`, or a `Location/{id}` whose address has the six digits of its county; without it one's own institution is meant, and for",
    "who supervises others all of them.",
    "",
    "| Who asks | gets |",
    "|---|---|",
    "| an institution | its own figures, of any period, nothing hidden |",
    "| who supervises it: an OrganizationAffiliation of type `oversight` (or `supervision`, which lets read records too) that the institution wrote, or the setting `YIYANG_SUPERVISORS` | its figures, its county's and the sum of all, of a calendar year; numbers of persons below `YIYANG_SMALLEST_CELL` are masked, and with them so many more that none can be computed |",
    "| anybody else | 403 |",
    "",
    "A measure is a file in `services/care/indicators/definitions`, or in a folder of one's own (`YIYANG_INDICATORS`): what is counted is said as FHIR",
    "searches, which become the SQL that counts, for all institutions at once. The same searches stand in the published Measure",
    "(`application/x-fhir-query`). The sum of a county is the sum of its institutions. A new indicator needs no code.",
    "",
)


def _row(indicator: Indicator, group: Figure) -> str:
    name = f"`{indicator.name}`" + (f" ({indicator.years} years)" if indicator.years > 1 else "")
    below = f"{group.numerator.zh}<br>{group.numerator.en}" if group.numerator else ""
    above = f"{group.denominator.zh}<br>{group.denominator.en}"
    return f"| {name} | {group.zh}<br>{group.en} | {above} | {below} | {group.confidence} |"


def _assumptions() -> Iterator[str]:
    for each in load_indicators().values():
        for group in each.groups:
            if group.assumes:
                yield f"- `{each.name}` {group.code}: {group.assumes}"


def _target(target: Target) -> str:
    limits = (("≥", target.at_least), ("≤", target.at_most), (">", target.above))
    (told,) = (f"{sign} {value}" for sign, value in limits if value is not None)
    return f"| `{target.measure}` | {target.division or 'all'} | {target.from_} | {told} | {target.source} | {target.confidence} |"
