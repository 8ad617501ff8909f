"""Assessment instruments 量表 as data, and the pure function that scores answers by them: docs/instruments.md"""
