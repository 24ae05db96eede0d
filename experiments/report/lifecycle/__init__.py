"""The life cycle of a finished run (methods.md section 4): SCI, per inference, and the columns beside the headline."""

from experiments.report.lifecycle.report import lifecycle_of, lifecycle_of_run, lifecycle_of_study

__all__ = ["lifecycle_of", "lifecycle_of_run", "lifecycle_of_study"]
