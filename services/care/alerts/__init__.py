"""Alerts 预警: raised once, told in turn until somebody answers, closed by whom they concern: docs/monitoring.md"""
