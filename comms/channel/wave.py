"""Properties of the radio wave."""

SPEED_OF_LIGHT_MPS = 299_792_458.0
