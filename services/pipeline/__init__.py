"""How does a message become rows and alerts? Imports services.transit.fleet and services.runtime."""
