"""A small, slow reference of search, written from the specification alone, and the store held to it."""
