"""The report of a finished run or comparison: figures, tables, one HTML page, and what the terminal shows.

Everything here reads finished run folders only: plotting never trains, running never plots.
"""
