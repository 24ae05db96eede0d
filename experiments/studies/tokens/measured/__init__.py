"""What is measured of servers on this machine: one file a kind of measurement, each result kept."""
