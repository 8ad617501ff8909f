"""What is remembered of each access: its row, the chain over the rows, and the AuditEvents that are made from them: https://profiles.ihe.net/ITI/BALP/"""

from services.fhir.audit.row import row

__all__ = ["row"]
