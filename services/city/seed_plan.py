"""The plan of a seed: from `plan.geojson` to features of the city, or a list of problems."""

from collections.abc import Iterator

from models.place import PLAN_AREAS, Outline, PlanFeature
from services.city.seed_files import (
    MAX_PLAN_POINTS,
    PLAN_FILE,
    LineString,
    MultiLineString,
    MultiPolygon,
    PlanFile,
    PlanItem,
    Polygon,
)
from services.city.seed_problems import raise_if_any


def plan_of(file: PlanFile) -> tuple[PlanFeature, ...]:
    """The features of a plan, in the order of the file. Raises SeedError with all problems."""
    features = tuple(
        PlanFeature(kind=item.properties.kind, name=item.properties.name.strip(), parts=_parts(item))
        for item in file.features
    )
    raise_if_any(_problems(features, file))
    return features


def _parts(item: PlanItem) -> tuple[Outline, ...]:
    match item.geometry:
        case LineString(coordinates=line):
            return (line,)
        case MultiLineString(coordinates=lines):
            return lines
        case Polygon(coordinates=rings):
            return (rings[0],)
        case MultiPolygon(coordinates=polygons):
            return tuple(rings[0] for rings in polygons)


def _problems(features: tuple[PlanFeature, ...], file: PlanFile) -> Iterator[str]:
    for number, (feature, item) in enumerate(zip(features, file.features, strict=True), start=1):
        at = f"{PLAN_FILE}: feature {number}{f' ({feature.name})' if feature.name else ''}"
        has_outline = item.geometry.type in {"Polygon", "MultiPolygon"}
        if has_outline != (feature.kind in PLAN_AREAS):
            wanted = "a Polygon" if feature.kind in PLAN_AREAS else "a LineString"
            yield f"{at}: a {feature.kind} is drawn as {wanted}, not as a {item.geometry.type}"
        elif has_outline and any(part[0] != part[-1] for part in feature.parts):
            yield f"{at}: a ring must end where it began"
        elif any(len(set(part)) < 2 for part in feature.parts):
            yield f"{at}: all its points are one and the same"
    if (points := sum(len(part) for feature in features for part in feature.parts)) > MAX_PLAN_POINTS:
        yield f"{PLAN_FILE}: {points} points; at most {MAX_PLAN_POINTS}, so that the page stays small: simplify"
