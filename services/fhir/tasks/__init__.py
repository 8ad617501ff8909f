"""Tasks whose course is a table of data, decided on by the owner of Task (docs/adr/0047)."""
