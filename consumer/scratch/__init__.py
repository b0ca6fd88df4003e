"""What a recomputation remembers, in a file that is gone when it ends: memory does not grow with the stream."""
