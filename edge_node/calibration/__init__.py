"""A board's powers and speed, measured with its own meter, and the profile that they make."""
