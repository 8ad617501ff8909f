"""Rules of monitoring 监测预警 as data, and the pure function that says what readings mean by them: docs/monitoring.md"""
