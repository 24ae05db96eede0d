"""A network shared between a terminal and its edge server: costs, cut points, and four ways to spend less."""
