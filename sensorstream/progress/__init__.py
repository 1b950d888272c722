"""Progress of a run: its steps, what workers say of theirs, and how it is shown."""
