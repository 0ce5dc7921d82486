"""Prints what is installed here as one line of JSON: Python, its packages, the system. Reads, changes nothing."""

import json
import platform
from importlib.metadata import distributions

packages = {}
for found in distributions():
    name = found.metadata["Name"]
    if name:
        packages[name.lower().replace("_", "-").replace(".", "-")] = found.version

print(json.dumps({
    "python": platform.python_version(),
    "implementation": platform.python_implementation(),
    "architecture": platform.machine(),
    "packages": packages,
}))
