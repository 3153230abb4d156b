"""People and processes: the pipeline, the notifier, the API, the watch page and the command line."""
