"""Base stations that may sleep: coverage, traffic, panels and batteries (survey, section 2.2.2)."""
