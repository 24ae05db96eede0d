"""What ``import detabed`` offers: load, run, compare and open, and the results they give."""
