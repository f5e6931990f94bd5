"""What every part of the settings has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the settings: unknown names are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
