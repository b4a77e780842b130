"""Every look by its name, as catalogue and editor call it."""

from __future__ import annotations

from types import MappingProxyType

from ditto_models.embedded.looks import (
    around,
    drawing,
    light_shapes,
    lighting,
    painting,
    regions,
    seasons,
    time_of_day,
    tones,
    weather,
)
from ditto_models.embedded.looks.grades import GRADES, grade
from ditto_models.embedded.looks.picture import Look

LOOKS: MappingProxyType[str, Look] = MappingProxyType(
    {
        "night": time_of_day.night,
        "dawn": time_of_day.dawn,
        "noon": time_of_day.noon,
        "dusk": time_of_day.dusk,
        "golden_hour": time_of_day.golden_hour,
        "sunset": time_of_day.sunset,
        "winter_snow": seasons.winter_snow,
        "autumn": seasons.autumn,
        "parched": seasons.parched,
        "blossom": seasons.blossom,
        "frost": seasons.frost,
        "coloured_greenery": seasons.coloured_greenery,
        "fog": weather.fog,
        "overcast": weather.overcast,
        "storm": weather.storm,
        "sunny": weather.sunny,
        "watercolour": painting.watercolour,
        "oil_painting": painting.oil_painting,
        "pencil_sketch": painting.pencil_sketch,
        "coloured_pencil": painting.coloured_pencil,
        "comic": painting.comic,
        "drawing": drawing.drawing,
        "ink_wash": drawing.ink_wash,
        "side_light": light_shapes.side_light,
        "two_lights": light_shapes.two_lights,
        "pool_of_light": light_shapes.pool_of_light,
        "vignette": light_shapes.vignette,
        "duotone": tones.duotone,
        "tint": tones.tint,
        "heat_map": tones.heat_map,
        "night_vision": tones.night_vision,
        "infrared": tones.infrared,
        "one_colour_left": tones.one_colour_left,
        "low_key": lighting.low_key,
        "high_key": lighting.high_key,
        "recolour_subject": regions.recolour_subject,
        "recolour_background": regions.recolour_background,
        "desaturate_background": regions.desaturate_background,
        "darken_background": regions.darken_background,
        "brighten_subject": regions.brighten_subject,
        "light_subject": regions.light_subject,
        "dim_around": around.dim_around,
        "wash_around": around.wash_around,
        "bright_around": around.bright_around,
        "haze_around": around.haze_around,
        "blur_around": around.blur_around,
        "grade_around": around.grade_around,
        "night_around": around.around(time_of_day.night),
        "drawing_around": around.around(drawing.drawing),
        "pencil_background": regions.behind(painting.pencil_sketch),
        **{name: grade(name) for name in GRADES},
    }
)
"""Name to function. A new look is a new function in its family's file and a line here."""
