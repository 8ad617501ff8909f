"""Topic-based subscriptions in R4: http://hl7.org/fhir/uv/subscriptions-backport (docs/adr/0030)

The door (`admission`) says what a Subscription may ask for; the `fanout` numbers what was committed for each of them; the `courier` carries
the numbers to their endpoints. Between the two stands the queue (store/notices.py).
"""
