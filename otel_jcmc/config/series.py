"""Series: of how many each tells, and how many there may be."""

from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from otel_jcmc.catalogue.levels import Level
from otel_jcmc.config.fields import Group, named, split


class SeriesSettings(Group):
    """Series: of how many each tells, and how many there may be."""

    series: Annotated[frozenset[Level], NoDecode] = Field(
        frozenset(Level),
        validation_alias=named("JCMC_SERIES"),
        description="Of what there are series, with commas: `participants` (some 30 of each),"
        " `conferences` (4), `bridges` and `regions` (12), `fleet` (12, and one for each thing that"
        " stands out) and `histograms` (of the fleet, by region).",
    )
    series_participants: int = Field(
        0,
        ge=0,
        validation_alias=named("JCMC_SERIES_PARTICIPANTS"),
        description="Most participants that have series, the worst ones, each for a minute at"
        " least; 0 for all of them.",
    )
    series_conferences: int = Field(
        10_000,
        ge=0,
        validation_alias=named("JCMC_SERIES_CONFERENCES"),
        description="Most conferences that have series, the worst ones; the others are `other`"
        " together; 0 for any number.",
    )
    series_bridges: int = Field(
        200,
        ge=0,
        validation_alias=named("JCMC_SERIES_BRIDGES"),
        description="Most bridges that have series, the largest ones; the others are `other`"
        " together; 0 for any number.",
    )
    series_regions: int = Field(
        50,
        ge=0,
        validation_alias=named("JCMC_SERIES_REGIONS"),
        description="Most regions that have series, the largest ones; the others are `other`"
        " together; 0 for any number.",
    )

    @field_validator("series", mode="before")
    @classmethod
    def _split_series(cls, value: Any) -> Any:
        return split(value)
