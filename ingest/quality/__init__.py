"""What speaks against trusting a reading, and which readings were lost? Checks of one device. Imports only models."""
