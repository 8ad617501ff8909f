"""Clients that others wrote, against a running server: what an integrator brings along works unchanged."""
