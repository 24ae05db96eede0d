"""Seventeen real houses with panels and batteries (CityLearn challenge 2022): a year alone, and with exchange."""
