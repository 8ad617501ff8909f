"""Who may see and write what, as pure functions of resources and callers (docs/adr/0011)."""
