"""Scenarios, runs, reports and studies."""

import os
from importlib.machinery import SourceFileLoader

# Before any other import: a folder of the user's may be called like one of our packages. Not by runpy, as elsewhere:
# its imports are most of what comes before a command can answer Ctrl-C.
_ours = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "carbon_data", "ours.py")
_code = SourceFileLoader("keep_ours", _ours).get_code("keep_ours")
assert _code is not None
exec(_code, {"__name__": "keep_ours", "__file__": _ours})
