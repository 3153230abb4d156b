"""What do simulated devices send, and what goes wrong on the way? Imports simulators.environment."""
