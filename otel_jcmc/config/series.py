"""Series: which kinds the service exports, and how many of each."""

from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from otel_jcmc.catalogue.levels import Level
from otel_jcmc.config.fields import Group, named, split


class SeriesSettings(Group):
    """Series: which kinds the service exports, and how many of each."""

    series: Annotated[frozenset[Level], NoDecode] = Field(
        frozenset(Level),
        validation_alias=named("JCMC_SERIES"),
        description="Kinds of series that the service exports, separated by commas: `participants`"
        " (some 30 series each), `conferences` (4 each), `bridges` and `regions` (12 each), `fleet`"
        " (12, and one for each thing that stands out) and `histograms` (of the fleet, by region).",
    )
    series_participants: int = Field(
        0,
        ge=0,
        validation_alias=named("JCMC_SERIES_PARTICIPANTS"),
        description="Most participants that have series. The service chooses the participants with"
        " the worst calls, and exports each of them for at least a minute. 0: all participants.",
    )
    series_conferences: int = Field(
        10_000,
        ge=0,
        validation_alias=named("JCMC_SERIES_CONFERENCES"),
        description="Most conferences that have series of their own. The service chooses the worst"
        " conferences; all others share the series `other`. 0: no limit.",
    )
    series_bridges: int = Field(
        200,
        ge=0,
        validation_alias=named("JCMC_SERIES_BRIDGES"),
        description="Most bridges that have series of their own. The service chooses the bridges"
        " with the most participants; all others share the series `other`. 0: no limit.",
    )
    series_regions: int = Field(
        50,
        ge=0,
        validation_alias=named("JCMC_SERIES_REGIONS"),
        description="Most regions that have series of their own. The service chooses the regions"
        " with the most participants; all others share the series `other`. 0: no limit.",
    )

    @field_validator("series", mode="before")
    @classmethod
    def _split_series(cls, value: Any) -> Any:
        return split(value)
