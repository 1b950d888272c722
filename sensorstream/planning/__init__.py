"""The plan of a run: partition tables, tags, shares and slices. Reads no reading."""
