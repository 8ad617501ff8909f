"""The house's own rules, as tests: a rule broken twice moves in here."""
