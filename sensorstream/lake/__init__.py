"""The lake as it is: objects in a store, and what of them is committed. The package ``publishing`` changes it.

``stores`` holds objects, ``keys`` names them, ``manifest`` says which are committed, ``source_state`` what is known of
the source; ``scan`` reads it back, ``ddl`` and ``glue`` tell others of it.
"""
