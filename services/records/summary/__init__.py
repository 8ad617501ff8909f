"""The patient summary: what an institution has to know of an elder at first sight (docs/adr/0039)."""
