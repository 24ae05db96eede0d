"""The case study of the TREE paper: hybrid traffic, DTX at the base station, DVFS at the edge server."""
