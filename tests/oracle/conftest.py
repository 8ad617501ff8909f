"""Fixtures of this folder: the house of three services."""

from tests.house import house

__all__ = ["house"]
