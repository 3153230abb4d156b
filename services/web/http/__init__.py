"""What is checked before a request reaches a route: sizes, rates, headers, ETags? Plain ASGI."""
