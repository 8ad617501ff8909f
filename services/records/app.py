"""The deployable of records."""

from fastapi import FastAPI

from services.fhir.deployable import create_service
from services.kit.database import Database
from services.kit.peers import Peers
from services.kit.settings import ServiceSettings
from services.records.derived import RESERVED
from services.records.operations import OPERATIONS
from services.records.resources import SERVED
from services.records.rules import OPENINGS


def create_app(settings: ServiceSettings, *, database: Database | None = None, peers: Peers | None = None) -> FastAPI:
    return create_service(
        "records",
        SERVED,
        settings,
        openings=OPENINGS,
        operations=OPERATIONS,
        reserved=RESERVED,
        database=database,
        peers=peers,
    )
