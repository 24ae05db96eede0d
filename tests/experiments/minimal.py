"""The smallest scenario."""

from __future__ import annotations

MINIMAL = """name = "small"
[task]
data = "digits"
[[nodes]]
zone = "FR"
[[nodes]]
zone = "DE"
"""
