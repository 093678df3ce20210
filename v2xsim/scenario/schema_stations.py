"""The station and lidar keys of a scenario."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from v2xsim.scenario.fields import Section, automatic, choice, quantity
from v2xsim.scenario.schema_world import Region, Share

MOUNTS, NO_RIG, ROADSIDE = "mounts", "none", "roadside"
"""Words in `lidars.carry`: the rig of `lidars.mounts`, no lidar at all, and all roadside units."""


class LidarModel(Section):
    """A rotating lidar whose properties are given in the scenario itself; the defaults are those of beam64."""

    beams: int = quantity(64, "1", "Number of laser beams, evenly spaced in elevation", ge=1, le=512)
    columns: int = quantity(1800, "1", "Number of azimuth steps per turn", ge=8, le=8192)
    lowest_deg: float = quantity(-25.0, "deg", "Elevation of the lowest beam", ge=-90, le=90)
    highest_deg: float = quantity(15.0, "deg", "Elevation of the highest beam", ge=-90, le=90)
    range_m: float = quantity(120.0, "m", "Largest distance of a return", gt=0, le=1000)

    @model_validator(mode="after")
    def _upright(self) -> "LidarModel":
        if self.highest_deg < self.lowest_deg:
            raise ValueError("highest_deg must not be below lowest_deg")
        return self


class Mount(Section):
    """Position, orientation and type of a lidar: relative to the centre of the roof, or to the antenna of a roadside unit."""

    x_m: float = quantity(0.0, "m", "Offset forward of the centre of the roof", ge=-20, le=20)
    y_m: float = quantity(0.0, "m", "Offset to the left of the centre of the roof", ge=-5, le=5)
    z_m: float = quantity(0.3, "m", "Height above the roof, or above the antenna of a roadside unit", ge=-5, le=5)
    yaw_deg: float = quantity(0.0, "deg", "Yaw, counter-clockwise seen from above", ge=-360, le=360)
    pitch_deg: float = quantity(0.0, "deg", "Pitch; nose down is positive", ge=-90, le=90)
    roll_deg: float = quantity(0.0, "deg", "Roll; right side down is positive", ge=-180, le=180)
    model: str | LidarModel | None = choice(
        None, "Type of this lidar, as in lidars.model; without a value, that of lidars.model"
    )


class Roadside(Section):
    """A station on a pole at the roadside."""

    id: str = choice(..., "Name, unique in the scenario", min_length=1)
    position_m: tuple[float, float] = quantity(..., "m", "Position of the pole: x, y")
    height_m: float = quantity(
        6.0, "m", "Height of the antenna above ground; lidar mounts are relative to it", gt=0, le=100
    )
    heading_deg: float = quantity(
        0.0,
        "deg",
        "Heading of the unit, counter-clockwise from east; the yaw of its lidar mounts is relative to it",
        ge=-360,
        le=360,
    )
    lidar: bool = choice(
        True, "Whether the unit carries lidars: the rig that lidars.carry names for it, or else lidars.mounts"
    )


class Antenna(Section):
    """Place of a vehicle's antenna on its body; of a vehicle of two parts, on the front part."""

    x_m: float = quantity(0.0, "m", "Offset forward of the centre of the body", ge=-20, le=20)
    y_m: float = quantity(0.0, "m", "Offset to the left of the centre of the body", ge=-5, le=5)
    height_m: float | None = quantity(
        None,
        "m",
        "Height above ground; without a value, on the roof (bicycle, pedestrian: 1.5 m). Below the roof, the body may block the antenna's links",
        gt=0,
        le=10,
    )


class Stations(Section):
    """The choice of the road users that are stations: those with a radio."""

    count: int | None = quantity(
        None, "1", "Number of connected vehicles in the region; when one leaves the region, another is drawn", ge=0
    )
    penetration: float | None = automatic(
        None,
        "1, or 0 if include or roadside names stations; not used if count is given",
        "1",
        "Probability with which each motor vehicle is connected, that is, has a radio; a higher value keeps the stations of a lower one with the same seed",
        ge=0,
        le=1,
    )
    region: Region | None = quantity(
        None, "m", "Only vehicles in this rectangle (x_min, y_min, x_max, y_max) are drawn as stations"
    )
    include: list[str] = choice([], "Names of vehicles that are always connected, in addition to those drawn")
    roadside: list[Roadside] = choice([], "Roadside units")
    antennas: dict[str, Antenna] = choice(
        {},
        "Places of antennas on vehicles. The key is the name of a road user or a kind (passenger, van, truck, bus, motorcycle, bicycle or "
        "pedestrian); a name has priority over a kind. All others have theirs above the centre of the body, on the roof",
    )

    @model_validator(mode="after")
    def _one_rule(self) -> "Stations":
        if self.count is not None and self.penetration is not None:
            raise ValueError("stations takes count or penetration, not both; set the other one to null")
        return self


Rig = Annotated[list[Mount], Field(min_length=1, max_length=8)]


USUAL_REFLECTIVITY = 0.1
"""Reflectivity for which the range of a lidar holds, unless `lidars.range_reflectivity` is another one: that of most data sheets."""


class Air(Section):
    """The air that the beams of lidars pass: clear unless one of fog, rain and snow is set. It weakens returns and sends echoes of its own."""

    fog_visibility_m: float | None = quantity(
        None,
        "m",
        "Visibility (meteorological optical range) in fog: 50 is dense, 200 moderate, 1000 light fog; without a value, there is no fog",
        ge=5,
        le=100_000,
    )
    rain_mm_per_h: float = quantity(0.0, "mm/h", "Rain rate: 2 is light, 10 moderate, 50 heavy rain", ge=0, le=200)
    snow_mm_per_h: float = quantity(
        0.0, "mm/h", "Snowfall as melted water: 0.5 is light, 2.5 heavy snowfall", ge=0, le=20
    )
    wet_snow: bool = choice(False, "Whether the snow is wet; no effect without snow")
    least_echo: float = quantity(
        0.01,
        "1",
        "Weakest echo of the air that a lidar reports, as the reflectivity of a surface that returns as much from the same distance. No data sheet states it: 0.01 is our choice, "
        "with which haze of 1 km returns nothing; 0.003 gives many times as many echoes in fog",
        ge=0,
        le=1,
    )

    @model_validator(mode="after")
    def _one_weather(self) -> "Air":
        chosen = [self.fog_visibility_m is not None, self.rain_mm_per_h > 0, self.snow_mm_per_h > 0]
        if sum(chosen) > 1:
            raise ValueError("lidars.air takes one of fog_visibility_m, rain_mm_per_h and snow_mm_per_h, not several")
        return self

    @property
    def is_clear(self) -> bool:
        """Whether there is neither fog nor rain nor snow."""
        return self.fog_visibility_m is None and self.rain_mm_per_h == 0 and self.snow_mm_per_h == 0


class Lidars(Section):
    """The choice of the stations that carry lidars, and the type and mounts of the lidars."""

    count: int | None = quantity(
        None,
        "1",
        "Number of connected vehicles that carry lidars; without a value, the vehicles in include and carry, or all connected vehicles if these name none",
        ge=0,
    )
    include: list[str] = choice([], "Names of connected vehicles that always carry lidars")
    model: str | LidarModel = choice(
        "beam64",
        "Name in the lidar catalogue, or a section with beams and columns: beam16, beam32, beam64 and beam128 are generic, with evenly spaced beams; vlp16, hdl32e, vlp32c, hdl64e, vls128, "
        "pandar64, pandarxt32, os1_64 and os1_128 have the elevations of a product",
    )
    mounts: list[Mount] = choice(
        [Mount()],
        "Positions and orientations of the lidars on a vehicle, one lidar for each",
        min_length=1,
        max_length=8,
    )
    rigs: dict[str, Rig] = choice(
        {},
        "Other sets of lidars (rigs) by name, each a list of mounts like lidars.mounts; lidars.carry gives them to stations",
    )
    carry: dict[str, str] = choice(
        {},
        "Stations that always carry lidars, each with its rig. The key is the name of a road user or roadside unit, a kind (passenger, van, truck, "
        "bus, motorcycle, bicycle or pedestrian: all its stations), or roadside (all roadside units); a name has priority over a kind. "
        "The value is a name in rigs, mounts for lidars.mounts, or none for no lidar",
    )
    per_vehicle: dict[int, Share] = quantity(
        {},
        "1",
        "For each number n, the share of vehicles that carry only the first n lidars of lidars.mounts; without a value, every vehicle carries all of them",
    )
    bodies: Literal["boxes", "meshes"] = choice(
        "boxes",
        "Bodies of road users as the rays of lidars meet them: boxes, or meshes of cars, trucks, people and others, stretched to the same size",
    )
    air: Air = choice(Air(), "Fog, rain or snow; by default, the air is clear")
    range_reflectivity: float | None = quantity(
        None,
        "1",
        "Reflectivity of a surface, met squarely, that just gives a return at the range of the lidar in clear air; darker surfaces, and those met at an angle, are seen only "
        "nearer. Without a value, every surface in range gives a return; in fog, rain and snow, what the data sheet states or 0.1",
        gt=0,
        le=1,
    )
    range_noise_m: float = quantity(0.02, "m", "Standard deviation of the range noise", ge=0, le=5)
    dropout: float = quantity(0.02, "1", "Share of lidar returns that are lost at random", ge=0, le=1)

    @model_validator(mode="after")
    def _mounts_exist(self) -> "Lidars":
        for number in self.per_vehicle:
            if not 1 <= number <= len(self.mounts):
                raise ValueError(f"lidars.per_vehicle names {number} lidars; mounts has {len(self.mounts)}")
        if self.per_vehicle and sum(self.per_vehicle.values()) <= 0:
            raise ValueError("lidars.per_vehicle shares must not all be zero")
        return self

    @property
    def have_power(self) -> bool:
        """Whether returns have a power, so that weak ones are lost."""
        return self.range_reflectivity is not None or not self.air.is_clear

    def rig_of(self, name: str, kind: str) -> str | None:
        """Return the rig that `carry` names for a station, or None if it names none.

        Args:
            name: Name of the road user or roadside unit.
            kind: Its kind, or `roadside`.
        """
        return self.carry.get(name, self.carry.get(kind))

    def mounts_of(self, rig: str) -> list[Mount]:
        """Return the mounts of a rig; none for the word `none`."""
        return [] if rig == NO_RIG else self.mounts if rig == MOUNTS else self.rigs[rig]

    def model_of(self, mount: Mount) -> str | LidarModel:
        """Return the type of the lidar on a mount."""
        return self.model if mount.model is None else mount.model
