"""The HTTP interface: it translates between the tables and the wire and decides nothing."""
