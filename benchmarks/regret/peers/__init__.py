"""What other learning-rate finders suggest, each run as itself in an environment of its own."""
