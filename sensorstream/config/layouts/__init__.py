"""Layouts of historians: which tables and columns hold readings and tags. Data; those that come along lie here."""
