"""What does the HTTP API answer? One router a noun; it translates between tables and JSON and decides nothing."""
