"""Runs a notebook's code cells in order, as `jupyter nbconvert --execute` would, without Jupyter.

    python3 execute.py NOTEBOOK...
"""

import json
import os
import sys

for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as f:
        cells = json.load(f)["cells"]
    os.chdir(os.path.dirname(os.path.abspath(name)))
    space = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{name}[{number}]", "exec"), space)
    print(f"{name}: done")
