"""What the coordinator's machine has a board do: sent there whole with every question, so that it needs nothing of ours
on the board but Python, and is never of another version. Standard library only; relative imports only."""
