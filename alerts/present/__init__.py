"""What is true now at the station of an alert, in which order do alerts matter, and how is it said? Pure functions."""
