"""`yiyang v2`: messages of old systems, handed to the gateway as their registered clients; receipts; replay (docs/adr/0046)."""
