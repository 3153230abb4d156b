"""How good were the predictions?

Live statistics, and backtests on recorded days. Imports services.transit.fleet and what stands below it.
"""
