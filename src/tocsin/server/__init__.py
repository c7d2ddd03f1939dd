"""The server: routes, pages, one error shape."""
