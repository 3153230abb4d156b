"""A position report in, table rows out: the whole chain for many vehicles."""
