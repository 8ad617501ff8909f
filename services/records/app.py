"""The deployable of records."""

from functools import partial
from typing import Unpack

from fastapi import FastAPI

from services.fhir.deployable import Around, create_service
from services.fhir.naming import naming_systems
from services.fhir.publication import Publisher
from services.fhir.service import Service
from services.fhir.validation.profiles.shipped import shipped_profiles
from services.kit.settings import ServiceSettings
from services.records import care_records, identifiers
from services.records.business import business
from services.records.derived import RESERVED
from services.records.document_types import document_types
from services.records.operations import operations
from services.records.resources import SERVED
from services.records.rules import OPENINGS


def _published(service: Service, kind: str) -> Publisher:
    return Publisher(service, kind, document_types()[kind])


def create_app(settings: ServiceSettings, **around: Unpack[Around]) -> FastAPI:
    return create_service(
        "records",
        SERVED,
        settings,
        openings=OPENINGS,
        operations=operations(settings),
        business=business,
        reserved=RESERVED,
        advice={**identifiers.ADVICE, **care_records.ADVICE},
        works=(
            lambda service: Publisher(service, "NamingSystem", naming_systems()),
            lambda service: Publisher(service, "StructureDefinition", shipped_profiles().values()),
            *(partial(_published, kind=kind) for kind in document_types()),
        ),
        **around,
    )
