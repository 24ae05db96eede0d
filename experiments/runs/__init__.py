"""Runs: one, or several policies on identical seeds; when a run counts as failed; regret and export."""
