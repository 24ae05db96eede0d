"""A scenario whose runs take a fraction of a second."""

from __future__ import annotations

ENERGY = """name = "s"
policy = "local"
[task]
name = "none"
[stages]
development = 2
[time]
start = 2022-06-21T10:00:00Z
[demand]
kind = "constant"
peak_w = 1.5
[fleet]
kind = "virtual"
[battery]
capacity_wh = 2
[[nodes]]
zone = "DE"
harvest = { kind = "pv", peak_w = 10 }
battery = { capacity_wh = 10 }
[[nodes]]
zone = "PL"
"""
"""Two nodes, two hours, and nothing is learned. The first node has its own battery, the second the scenario's."""
