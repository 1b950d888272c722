"""Spark where it is asked for: session and settings, failures, Java, and what executors are sent."""
