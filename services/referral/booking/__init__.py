"""Booking 预约: number sources 号源 as Slots, of which each place is taken once, by whoever books (docs/adr/0052)."""
