"""Does Vigía itself work: for load balancers, scrapers and the watchdog?"""
