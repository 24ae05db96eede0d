"""The scenario file: its model, the refusals of what it may not hold, and its reference page."""
