"""The built-in bounds of relaying, one per file: what relays could be worth if stations saw the true channel."""
