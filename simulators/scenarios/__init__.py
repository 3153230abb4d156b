"""The days the simulated city can live through."""
