"""From the start of a process to its first staged file. Not measured yet: the place for it.

``measure(root, tell)`` is to return ``rounds.Result`` values, one for each way of starting, and ``command.run_case``
is to call it for ``--case startup``; figures, table, picture and docs then follow of themselves.
"""
