"""Who is there, what each station believes of itself, hears and senses."""
