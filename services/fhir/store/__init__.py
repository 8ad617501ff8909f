"""The only room that speaks SQL to the resource tables (docs/adr/0001, docs/adr/0003)."""
