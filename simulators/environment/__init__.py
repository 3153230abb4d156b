"""What happens in the simulated city: rain, streams, traffic? Imports only models."""
