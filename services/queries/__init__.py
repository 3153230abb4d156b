"""What do the API and the pages read? Each query takes a connection and returns frozen values."""
