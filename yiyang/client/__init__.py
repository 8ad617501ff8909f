"""A client of the platform for software that integrates: tokens, retries, batches that go on where they stopped (docs/client.md).

http://hl7.org/fhir/R4/http.html · https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

from yiyang.client.client import Client
from yiyang.client.failure import ClientError, Issue
from yiyang.client.journal import JournalError
from yiyang.client.pushing import Pushed, push
from yiyang.client.receipts import Receipt
from yiyang.client.retrying import Retry
from yiyang.client.tokens import Credentials

__all__ = ["Client", "ClientError", "Credentials", "Issue", "JournalError", "Pushed", "Receipt", "Retry", "push"]
