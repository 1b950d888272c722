"""``python -m sensorstream``."""

from .cli import main

main()
