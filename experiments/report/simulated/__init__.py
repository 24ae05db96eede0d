"""Report of a simulated period: duration curves, use of harvest, exchange by zone, grams by month."""
