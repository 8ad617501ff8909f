"""Fixtures of this folder: a house in which a referral may be in any state."""

from tests.ungoverned import house

__all__ = ["house"]
