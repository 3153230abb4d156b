"""What is shown to a rider, and how is it put into a text message?

Imports services.transit.serving and what stands below it.
"""
