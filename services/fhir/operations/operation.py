"""What an operation is to the routes, to the gateway and to the CapabilityStatement: http://hl7.org/fhir/R4/operations.html"""

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service

Level = Literal["system", "type", "instance"]
Handler = Callable[[FhirRequest, Service], Awaitable[Answer]]


class Operation(msgspec.Struct, frozen=True):
    """One `$name`. `types` empty means every type; `letters` of `cruds` are what its caller needs on the type.

    `media` are the types of its answer where that is no FHIR JSON; it looks itself which of them the client takes.
    What affects state is invoked by POST only, all else by GET too (http://hl7.org/fhir/R4/operations.html#executing).
    What affects state is `remembered` under an Idempotency-Key (docs/adr/0035) unless it says otherwise: a secret is told once, a job is started once.
    """

    name: str
    definition: str
    levels: tuple[Level, ...]
    types: tuple[str, ...]
    handler: Handler
    affects_state: bool = False
    remembered: bool | None = None
    letters: str = "r"
    media: tuple[str, ...] = ()

    def is_for(self, resource_type: str, level: Level) -> bool:
        return level in self.levels and (level == "system" or not self.types or resource_type in self.types)

    @property
    def is_remembered(self) -> bool:
        return self.affects_state if self.remembered is None else self.remembered

    @property
    def methods(self) -> tuple[str, ...]:
        return ("POST",) if self.affects_state else ("GET", "POST")
