"""What a finished run discloses: software carbon intensity for AI, scope 2, carbon per bit, and how to repeat it."""
