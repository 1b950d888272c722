"""Readings on their way from the historian: what PostgreSQL packed, received, gathered by tag and told apart."""
