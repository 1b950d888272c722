"""Readings cleaned, fingerprinted and encoded. Pure."""
