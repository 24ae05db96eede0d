"""The report of a finished run or comparison: figures, tables, one HTML page, and the terminal's output.

Everything here reads finished run folders only: plotting never trains, running never plots.
"""
