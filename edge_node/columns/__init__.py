"""Nodes as rows: harvest, backlog, meter and battery of many nodes at once, as one by one to the last unit."""
