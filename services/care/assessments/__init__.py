"""Assessments 评估: instruments as Questionnaires, and what follows from their responses: docs/instruments.md"""
