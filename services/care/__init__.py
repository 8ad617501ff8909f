"""The care service: assessments, care plans and monitoring 评估、照护计划与监测."""
