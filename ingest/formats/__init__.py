"""What does a payload of each wire format say?

One module a format, called by `ingest.decode`. Imports ingest.topic and models.
"""
