"""Which target counts for a figure: by measure, by division, by year."""

from collections.abc import Iterable

from services.care.indicators.indicator import Target


def target_for(targets: Iterable[Target], measure: str, group: str, division: str, year: int) -> Target | None:
    """The one of the longest division that the place lies in, of those the latest year that has come; None where there is none."""
    found = [
        each
        for each in targets
        if each.measure == measure
        and each.group in ("", group)
        and division.startswith(each.division)
        and each.from_ <= year
    ]
    return max(found, key=lambda each: (len(each.division), each.from_, each.group), default=None)


def division_of(divisions: Iterable[str]) -> str:
    """What lies all around them: the digits that their codes begin with alike, two by two."""
    known = [*divisions]
    if not known:
        return ""
    same = ""
    for place in range(0, len(min(known, key=len)), 2):
        digits = {each[place : place + 2] for each in known}
        if len(digits) > 1:
            break
        same += digits.pop()
    return same
