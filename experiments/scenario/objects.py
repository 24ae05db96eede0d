"""Objects in a scenario that is written in Python: they stand there by name, for other processes import them."""

from __future__ import annotations

import sys
from datetime import date, time
from typing import Annotated, Any

from pydantic import BeforeValidator

FROM_A_FILE = (str, int, float, list, tuple, dict, date, time, type(None))
"""Types of TOML's values: such a value is not looked for in modules, where any equal number would be found."""


def name_of(given: Any) -> Any:
    """``package.module:name`` of an object that lies in an imported module; what a file can say as it is.

    Raises ValueError for an object that no other process could find."""
    if isinstance(given, FROM_A_FILE):
        return given
    home = getattr(given, "__module__", None)
    modules = sorted(sys.modules.items(), key=lambda item: item[0] != home)  # where it is defined goes first
    for module, loaded in modules:
        for name, value in list(getattr(loaded, "__dict__", {}).items()):
            if value is given and module != "__main__":
                return f"{module}:{name}"
    raise ValueError(
        f"a {type(given).__name__} that lies in no module: other processes of the run could not import it; write it "
        "to a file beside your work, import it from there, or give its name as package.module:name"
    )


ObjectName = Annotated[str, BeforeValidator(name_of)]
"""Text, or in Python the object itself."""
