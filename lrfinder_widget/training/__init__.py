"""What one step of a sweep needs, and what puts everything back afterwards."""
