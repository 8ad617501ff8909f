"""Indicators 指标: what is counted of care and referral, by institution, county and year, against targets (docs/indicators.md)."""
