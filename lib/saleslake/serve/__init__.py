"""Readers of gold outside Spark."""
