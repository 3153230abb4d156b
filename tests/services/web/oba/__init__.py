"""The OneBusAway API: its translations, and its answers to real clients."""
