"""Where a location lies, for `near`: http://hl7.org/fhir/R4/location.html#search"""

from typing import Any

from services.fhir.search.quantities import exact
from services.fhir.search.row import QuantityIndex, Row
from services.fhir.search.walk import Sink


def position(parameter: str) -> Sink[Row]:
    """Index latitude and longitude as the two ends of one entry."""

    def sink(value: dict[str, Any], row: Row) -> None:
        row.quantities.append(QuantityIndex(parameter, exact(value["latitude"]), exact(value["longitude"])))

    return sink
