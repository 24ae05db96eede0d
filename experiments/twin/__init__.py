"""The twin of a run on boards: its work priced by a board's profile on the virtual clock, beside what meters read."""
