"""The lake held against the source and against its own manifest: every difference named, and repaired on request."""
