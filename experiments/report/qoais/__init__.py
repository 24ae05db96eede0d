"""QoAIS (quality of AI service) of a finished run: every indicator measured, or plainly not."""

from experiments.report.qoais.report import indicators, qoais_of

__all__ = ["indicators", "qoais_of"]
