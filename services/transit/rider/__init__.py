"""What is said to a rider? Imports services.transit.serving and what stands below it."""
