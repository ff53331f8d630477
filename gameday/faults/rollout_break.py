"""Rollout break: a new version of a service that does not come up, as a bad deploy is."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from gameday.engine.ports import Backend
from gameday.faults.declaration import FaultDeclaration
from gameday.faults.parameters import Parameters, Service


class RolloutBreakParameters(Parameters):
    service: Service
    image: Annotated[
        str | None,
        Field(
            min_length=1,
            pattern=r"^\S+$",
            description="The bad image; without image and env: the present one with the tag gameday-broken.",
        ),
    ] = None
    env: Annotated[
        dict[Annotated[str, Field(min_length=1, pattern=r"^[^=\s]+$")], str] | None,
        Field(min_length=1, description="Environment variables with their bad values, instead of an image."),
    ] = None
    container: Annotated[
        str | None, Field(min_length=1, description="Which container of the pod; needed where there are several.")
    ] = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if self.image is not None and self.env is not None:
            raise ValueError(
                "a bad image or bad environment values: keep one of image and env, so that the cause is one"
            )
        return self


DECLARATION = FaultDeclaration(
    name="rollout-break",
    summary="A new version of a service does not come up",
    parameters=RolloutBreakParameters,
    one_shot=False,
    description=(
        "Somebody deploys an image that can't be pulled, or a setting that the program can't start with. The rollout "
        "hangs with as many old pods as its strategy keeps; whether anybody is told, and finds the change, is the "
        "question. Refused where the strategy would take more old pods down than the limits allow."
    ),
    example="""\
at: 30s
fault: rollout-break
with: {service: checkout, env: {DATABASE_URL: "postgres://nowhere.invalid/shop"}}
for: 10m
""",
    backends={
        "kubernetes/api": Backend(
            plan="gameday.faults.kubernetes.rollout_break:plan",
            needs="gameday.faults.kubernetes.rollout_break:needs",
            touches="one container's image, or those environment variables, in the pod template of its workload",
            undone_by="putting the image or the variables back, which rolls back to the pods that were there",
            effective_when=(
                "a new pod with it is not ready: its image can't be pulled, its container ends, or it does not answer"
            ),
            recovered_when="the template is as it was, no pod with the change is left, and the workload is whole",
            permissions=(
                "get namespaces",
                "list pods",
                "get, patch deployments.apps or statefulsets.apps",
                "list, delete replicasets.apps or controllerrevisions.apps; patch replicasets.apps",
                "get replicasets.apps, where only a selector is known",
            ),
        ),
    },
)
