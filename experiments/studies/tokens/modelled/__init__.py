"""What is modelled with the measured costs: a day in ten zones, batches, sleeping nodes."""
