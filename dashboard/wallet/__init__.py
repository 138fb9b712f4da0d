"""A person's browser wallet: the page relays requests to it, the server prepares calls and reads answers."""
