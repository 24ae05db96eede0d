"""Quality of AI service: indicators of a finished run, each with how it is known."""
