"""What stands between the network and the routes: sizes, rates, headers, ETags."""
