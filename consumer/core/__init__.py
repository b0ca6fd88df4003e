"""The pure part: events, values, trackers, matching, evaluation. No I/O, no clock, no logging."""
