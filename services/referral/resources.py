"""The resource types of the two-way referral 双向转诊."""

from typing import Final

from services.fhir.served import ServedType

SERVED: Final = (
    ServedType("ServiceRequest", governed=True),
    ServedType("Task", governed=True),
    ServedType("Appointment", governed=True),
    ServedType("AppointmentResponse"),
    ServedType("Schedule"),
    ServedType("Slot"),
    ServedType("Communication"),
    ServedType("CommunicationRequest"),
    ServedType("Contract", governed=True),
    ServedType("MessageHeader"),
)
