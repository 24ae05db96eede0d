"""Functions of ``import detabed``: load, run, compare and open, and their results."""
