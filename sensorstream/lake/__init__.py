"""The lake: objects in a store, what of them is committed, and how that changes.

``stores`` holds objects, ``keys`` names them, ``manifest`` says which are committed. ``publishing`` and ``compaction``
change that, one at a time (``turns``); ``reading`` reads it back, ``ddl`` and ``glue`` tell others of it.
"""
