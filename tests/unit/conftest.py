"""Hypothesis without a clock: a slow machine must not fail a test."""

from hypothesis import settings

settings.register_profile("milestones", deadline=None)
settings.load_profile("milestones")
