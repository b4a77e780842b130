"""Every look by its name, as catalogue and editor call it."""

from __future__ import annotations

from types import MappingProxyType

from ditto_models.embedded.looks import lighting, painting, regions, seasons, time_of_day, weather
from ditto_models.embedded.looks.grades import GRADES, grade
from ditto_models.embedded.looks.picture import Look

LOOKS: MappingProxyType[str, Look] = MappingProxyType(
    {
        "night": time_of_day.night,
        "dusk": time_of_day.dusk,
        "golden_hour": time_of_day.golden_hour,
        "sunset": time_of_day.sunset,
        "winter_snow": seasons.winter_snow,
        "autumn": seasons.autumn,
        "parched": seasons.parched,
        "blossom": seasons.blossom,
        "fog": weather.fog,
        "overcast": weather.overcast,
        "watercolour": painting.watercolour,
        "oil_painting": painting.oil_painting,
        "pencil_sketch": painting.pencil_sketch,
        "coloured_pencil": painting.coloured_pencil,
        "comic": painting.comic,
        "low_key": lighting.low_key,
        "high_key": lighting.high_key,
        "recolour_subject": regions.recolour_subject,
        "recolour_background": regions.recolour_background,
        "desaturate_background": regions.desaturate_background,
        "darken_background": regions.darken_background,
        "brighten_subject": regions.brighten_subject,
        "pencil_background": regions.behind(painting.pencil_sketch),
        **{name: grade(name) for name in GRADES},
    }
)
"""Name to function. A new look is a new function in its family's file and a line here."""
