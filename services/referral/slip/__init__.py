"""The national slip 双向转诊单 on paper: docs/glossary.md"""
