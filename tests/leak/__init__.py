"""Random worlds and random requests against a plain model of who may see what (docs/security.md)."""
