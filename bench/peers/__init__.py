"""Others doing the same work on the same topic."""
