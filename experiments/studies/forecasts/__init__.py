"""What forecasts are worth: gains that survive real forecasts, and rankings under average and marginal intensity."""
