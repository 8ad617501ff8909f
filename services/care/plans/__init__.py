"""Care plans 照护计划: a library of them as data, plans made of it, and two plans made one: docs/care-plans.md"""
