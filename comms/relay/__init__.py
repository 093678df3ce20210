"""Which station passes messages on between two that cannot reach each other."""
