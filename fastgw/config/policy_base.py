"""What every policy takes besides its own options."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fastgw.config.forms import Model
from fastgw.config.units import Duration


class PolicyModel(Model):
    """What every policy takes besides its own options."""

    mode: Literal["enforce", "shadow", "off"] = Field(
        default="enforce",
        description="`shadow`: it runs, and nothing that a client or upstream can see changes.",
    )
    on_failure: Literal["reject", "pass"] = Field(
        default="reject", description="What happens to the request when the policy itself fails."
    )
    timeout: Duration | None = Field(default=None, description="How long it may wait at one point.")
