"""Exercises in the states that screens must show, as journals."""

from __future__ import annotations

from pathlib import Path

from gameday.console.preview_model import (
    CheckPreview,
    ConditionPreview,
    FaultPreview,
    InjectPreview,
    LimitPreview,
    PreviewModel,
    ScenarioCard,
)
from gameday.exercise import events as e

from .journal import Journal, running


def two_faults() -> Journal:
    """A second fault, and an abort condition on its way to tripping."""
    journal = running()
    journal.fault("slow-checkout", at=181.0)
    journal.sample(0.55, at=190.0, state="breaching")
    return journal


def aborting() -> Journal:
    """Aborted by a person at 3:12; one fault confirmed clear 210 ms later, the other not yet."""
    journal = two_faults()
    journal.add(e.AbortBegan("aborted in the console", "dana"), at=192.0)
    for name in ("payments-dark", "slow-checkout"):
        journal.add(e.FaultUndoing(name, "aborted in the console"), at=192.0)
        journal.add(e.UndoSent(name, 1), at=192.01)
    journal.add(e.FaultRecovered("payments-dark", "accepts connections"), at=192.21)
    return journal


def aborted() -> Journal:
    journal = aborting()
    journal.add(e.FaultRecovered("slow-checkout", "41 ms"), at=193.5)
    journal.add(e.ExerciseEnded("aborted", 3, "aborted in the console"), at=195.0)
    return journal


def leaked() -> Journal:
    journal = aborting()
    journal.add(e.UndoFailed("slow-checkout", 1, "502 Bad Gateway"), at=200.0)
    journal.add(
        e.FaultLeaked("slow-checkout", "502 Bad Gateway for 60 s", ["curl -X POST http://127.0.0.1:8474/reset"]),
        at=253.0,
    )
    journal.add(e.ExerciseEnded("leaked", 4, "not recovered: slow-checkout"), at=254.0)
    return journal


def production() -> Journal:
    return Journal().start(environment="production", target="shop-eu").steady().opening().fault()


def paused() -> Journal:
    journal = running()
    journal.add(e.Paused("fire drill"), at=140.0, source="console", actor="dana")
    return journal


def interrupted() -> Journal:
    journal = running()
    journal.add(e.EngineLost("no heartbeat for 2 s"), at=140.0, source="guardian")
    journal.add(e.FaultUndoing("payments-dark", "the engine is gone"), at=140.0, source="guardian")
    journal.add(e.UndoSent("payments-dark", 1), at=140.01, source="guardian")
    journal.add(e.FaultRecovered("payments-dark", "accepts connections"), at=140.2, source="guardian")
    return journal


CARDS = (
    ScenarioCard(
        Path("scenarios/sandbox/payment-outage.yaml"),
        "The payment provider goes dark at peak",
        "dependency",
        "SEV2",
        "sandbox",
        1,
        2700.0,
    ),
    ScenarioCard(
        Path("scenarios/tabletop/credentials-leaked.yaml"), "Credentials leaked", "security", "SEV1", "none", 0, 3600.0
    ),
    ScenarioCard(
        Path("scenarios/broken.yaml"),
        error="scenarios/broken.yaml:12:5: unknown key 'timelime': did you mean 'timeline'?",
    ),
)


def preview(environment: str = "staging", target: str = "shop-staging", refusals: tuple[str, ...] = ()) -> PreviewModel:
    return PreviewModel(
        path=CARDS[0].path,
        title=CARDS[0].title,
        target=target,
        environment=environment,
        steady_state=(
            CheckPreview("shoppers can check out", "below 0.05", True, True, "0.01"),
            CheckPreview("checkout answers", "status 200", True, False, "503"),
        ),
        faults=(
            FaultPreview(
                "at 30s for 5m",
                "dependency-outage",
                "payments refuses connections",
                ("proxy payments",),
                "the proxy is enabled again",
                "a connection through the proxy is refused",
                "a connection through the proxy is accepted",
                entry="payments-dark",
            ),
        ),
        injects=(
            InjectPreview("at 0s", "It is Friday, 18:00. The sale has just begun."),
            InjectPreview("by hand", "Support says customers see double charges.", "communications-lead"),
        ),
        conditions=(
            ConditionPreview("too many failed checkouts", "above 0.5 for 5s", True, "0.01"),
            ConditionPreview("storefront answers", "unless status 200, 3 times in a row", False, "connection refused"),
        ),
        expectations=("alert CheckoutErrors fires within 2m of impact", "acknowledged within 5m of impact (people)"),
        limits=(
            LimitPreview("duration", "45m", "then the exercise is aborted"),
            LimitPreview("pods", "any number", "at most so many instances are touched by one fault", True),
        ),
        refusals=refusals,
        warnings=("the storefront does not answer now",),
    )
