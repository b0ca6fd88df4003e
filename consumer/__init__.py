"""Milestones: exactly-once milestones from any change stream."""

__version__ = "0.1.0"
