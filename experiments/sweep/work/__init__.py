"""Who computes the cells of a sweep: processes of this machine."""
