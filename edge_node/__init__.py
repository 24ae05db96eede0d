"""The edge node: it executes decisions and measures what they cost."""

import runpy
from pathlib import Path

# Before any other import: a folder of the user's may be called like one of our packages.
runpy.run_path(str(Path(__file__).resolve().parents[1] / "carbon_data" / "ours.py"), run_name="keep_ours")
