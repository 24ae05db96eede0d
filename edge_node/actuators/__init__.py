"""What puts a board to sleep and wakes it."""
