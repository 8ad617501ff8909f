"""What is there once a records service has lived: identifier systems, profiles and types of documents, as it publishes them."""

import asyncio

import pytest
from pydantic import SecretStr

from services.fhir.naming import naming_systems
from services.fhir.validation.profiles.shipped import shipped_profiles
from services.kit.database import Database, role_of
from services.kit.settings import ServiceSettings
from services.records.app import create_app
from services.records.document_types import document_types
from tests.house import BASE, KEY, Fhir

_WANTED = {"NamingSystem": len(naming_systems()), "StructureDefinition": len(shipped_profiles())}


@pytest.fixture
async def published(fhir: Fhir, database_url: str) -> None:
    settings = ServiceSettings(database_url=database_url, internal_key=SecretStr(KEY), public_base=BASE)
    database = Database(database_url, role=role_of("records"))
    app = create_app(settings, database=database)
    async with app.router.lifespan_context(app), asyncio.timeout(20):
        for name, wanted in _WANTED.items():
            while (await fhir.get(f"/{name}?_summary=count")).json()["total"] < wanted:
                await asyncio.sleep(0.05)
        for kind, several in document_types().items():
            while (await fhir.get(f"/{kind}/{several[-1]['id']}")).status_code != 200:
                await asyncio.sleep(0.05)
    await database.close()
