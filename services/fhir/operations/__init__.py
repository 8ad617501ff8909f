"""The operations, one module each: http://hl7.org/fhir/R4/operationslist.html

Routes, CapabilityStatement and OpenAPI read this table; what the gateway asks of scopes is held to it by a test.
"""

from collections.abc import Mapping
from typing import Final

from services.fhir.operations.code_system_validate_code import validate_code_in_system
from services.fhir.operations.everything import everything
from services.fhir.operations.expand import expand
from services.fhir.operations.export import export
from services.fhir.operations.import_ import import_
from services.fhir.operations.index_status import index_status
from services.fhir.operations.ingest import ingest
from services.fhir.operations.lookup import lookup
from services.fhir.operations.meta import meta
from services.fhir.operations.meta_add import meta_add
from services.fhir.operations.meta_delete import meta_delete
from services.fhir.operations.operation import Handler, Level, Operation
from services.fhir.operations.page import page
from services.fhir.operations.subscription_events import events
from services.fhir.operations.subscription_replay import replay
from services.fhir.operations.subscription_secret import rotate_secret
from services.fhir.operations.subscription_status import subscription_status
from services.fhir.operations.subscription_topics import topics
from services.fhir.operations.translate import translate
from services.fhir.operations.validate import validate_resource
from services.fhir.operations.validate_code import validate_code
from services.fhir.pages.answer import MEDIA

__all__ = ["OPERATIONS", "Handler", "Level", "Operation", "operations_of", "system_operations"]

_R4: Final = "http://hl7.org/fhir/OperationDefinition"
_BULK: Final = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
_BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription"
_OURS: Final = "https://yiyang.example/fhir/OperationDefinition"

# Where no letter is asked for, the operation itself looks which types the scopes cover.
_ALL: Final = (
    #         name             definition                            levels                          types            handler      affects state, letters
    Operation("validate",      f"{_R4}/Resource-validate",           ("type", "instance"),           (),              validate_resource, letters=""),
    Operation("meta",          f"{_R4}/Resource-meta",               ("system", "type", "instance"), (),              meta),
    Operation("meta-add",      f"{_R4}/Resource-meta-add",           ("instance",),                  (),              meta_add,    affects_state=True, letters="u"),
    Operation("meta-delete",   f"{_R4}/Resource-meta-delete",        ("instance",),                  (),              meta_delete, affects_state=True, letters="u"),
    Operation("everything",    f"{_R4}/Patient-everything",          ("type", "instance"),           ("Patient",),    everything),
    Operation("lookup",        f"{_R4}/CodeSystem-lookup",           ("type",),                      ("CodeSystem",), lookup),
    Operation("validate-code", f"{_R4}/CodeSystem-validate-code",    ("type", "instance"),           ("CodeSystem",), validate_code_in_system),
    Operation("expand",        f"{_R4}/ValueSet-expand",             ("type", "instance"),           ("ValueSet",),   expand),
    Operation("validate-code", f"{_R4}/ValueSet-validate-code",      ("type", "instance"),           ("ValueSet",),   validate_code),
    Operation("translate",     f"{_R4}/ConceptMap-translate",        ("type", "instance"),           ("ConceptMap",), translate),
    Operation("page",          f"{_OURS}/Bundle-page",               ("instance",),                  ("Bundle",),     page,        media=MEDIA),
    Operation("index-status",  f"{_OURS}/SearchParameter-index-status", ("instance",),               ("SearchParameter",), index_status),
    Operation("status",        f"{_BACKPORT}-status",                ("type", "instance"),           ("Subscription",), subscription_status),
    Operation("events",        f"{_BACKPORT}-events",                ("instance",),                  ("Subscription",), events),
    Operation("topics",        f"{_OURS}/Subscription-topics",       ("type",),                      ("Subscription",), topics),
    Operation("replay",        f"{_OURS}/Subscription-replay",       ("instance",),                  ("Subscription",), replay,        affects_state=True, letters="u"),
    Operation("rotate-secret", f"{_OURS}/Subscription-rotate-secret", ("instance",),                 ("Subscription",), rotate_secret, affects_state=True, letters="u", remembered=False),
    Operation("export",        f"{_BULK}/export",                    ("system",),                    (),              export,      letters="", remembered=True),
    Operation("export",        f"{_BULK}/patient-export",            ("type",),                      ("Patient",),    export,      letters="", remembered=True),
    Operation("export",        f"{_BULK}/group-export",              ("instance",),                  ("Group",),      export,      letters="", remembered=True),
    Operation("import",        f"{_OURS}/import",                    ("system",),                    (),              import_,     affects_state=True, letters=""),
    Operation("ingest",        f"{_OURS}/Bundle-ingest",             ("type",),                      ("Bundle",),     ingest,      affects_state=True, letters=""),
)  # fmt: skip

# A name may stand twice, for other types: CodeSystem/$validate-code and ValueSet/$validate-code.
OPERATIONS: Final[Mapping[str, tuple[Operation, ...]]] = {
    name: tuple(o for o in _ALL if o.name == name) for name in dict.fromkeys(o.name for o in _ALL)
}


def operations_of(resource_type: str) -> tuple[Operation, ...]:
    """What can be invoked on a type or on its instances."""
    return tuple(o for o in _ALL if o.is_for(resource_type, "type") or o.is_for(resource_type, "instance"))


def system_operations() -> tuple[Operation, ...]:
    return tuple(o for o in _ALL if o.is_for("", "system"))
