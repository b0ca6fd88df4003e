"""From bytes to change events. Each format knows the core and nothing else of the program."""
