"""Keys of lidars that have no effect."""

import v2xsim


def test_wet_snow_without_snow_is_named():
    (note,) = [text for text in v2xsim.load("demo", ["lidars.air.wet_snow=true"]).notes if "wet_snow" in text]
    assert "has no effect: no snow falls" in note
    assert not any(
        "wet_snow" in text
        for text in v2xsim.load("demo", ["lidars.air.wet_snow=true", "lidars.air.snow_mm_per_h=1"]).notes
    )


def test_the_weakest_echo_in_clear_air_is_named():
    (note,) = [text for text in v2xsim.load("demo", ["lidars.air.least_echo=0.003"]).notes if "least_echo" in text]
    assert "has no effect: clear air returns no echo" in note
    foggy = v2xsim.load("demo", ["lidars.air.least_echo=0.003", "lidars.air.fog_visibility_m=100"])
    assert not any("least_echo" in text for text in foggy.notes)
