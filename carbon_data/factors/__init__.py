"""Sourced factors of the life cycle: embodied emissions of devices, harvested energy, uncertainty of readings.

Data only: one TOML table a subject, read by ``experiments.report.lifecycle.factors``; a figure without a source does
not load.
"""
