"""What do simulated buses do, and what do their trackers say of it?

Imports simulators.devices, environment and lines.
"""
