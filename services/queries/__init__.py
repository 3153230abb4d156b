"""Read queries shared by the API and the pages: each takes a connection and returns frozen values."""
