"""Point clouds as bytes to send, and back: three encodings whose error is at most half a step, with sizes as a radio would carry them."""
