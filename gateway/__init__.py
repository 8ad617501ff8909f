"""The one public door: who asks (authenticate), may they (authorize), to whom it goes (forward)."""
