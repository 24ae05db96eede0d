"""A small Flower app without a strategy: messages and records as it likes."""
