"""Render the public names to ``build/docs``: ``python docs/api.py``, or ``make docs``. A warning is a failure."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path

import pdoc

import sensorstream

MODULES = ["sensorstream", "sensorstream.errors", "sensorstream.exploration", "sensorstream.report"]

warnings.simplefilter("error")
# Public names are loaded when they are first used; pdoc documents those that a module holds.
for module in map(import_module, MODULES):
    vars(module).update({name: getattr(module, name) for name in getattr(module, "__all__", ())})
    module.__doc__ = str(module.__doc__).replace("::\n\n", "")  # Markdown knows code by its indentation alone
for field in sensorstream.Config.model_fields.values():
    field.description = "@private"  # the page of the configuration tells of them, by name
pdoc.render.configure(docformat="numpy", show_source=False, footer_text=f"SensorStream {sensorstream.__version__}")
folder = Path(__file__).parents[1] / "build" / "docs"
pdoc.pdoc(MODULES[0], r"!sensorstream\.", *MODULES[1:], output_directory=folder)
print(folder / "sensorstream.html")
