"""The links of a tick, the air that carries messages, the access layer below it."""
