"""What stands where in this city? Reads a seed, checks it and loads it. Imports alerts and models."""
