"""Sweeps: a scenario at many values of its keys, on several processes, kept by content; a table and a page."""
