"""Quality of service 服务质量: satisfaction surveys, and events of risk that assessments must not leave out (docs/adr/0050)."""
