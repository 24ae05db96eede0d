"""Quality of AI service: indicators of a finished run, each with its provenance."""
