"""What is the level of a stream now, how far is it from its thresholds, which alerts matter first? Pure functions."""
