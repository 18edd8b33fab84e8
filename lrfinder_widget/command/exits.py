"""The exit codes."""

FOUND = 0
USAGE = 2
NOT_FOUND = 3
INTERRUPTED = 130
