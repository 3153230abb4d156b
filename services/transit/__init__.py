"""Where buses are and when they come: matching, estimates, what riders and their apps are told."""
