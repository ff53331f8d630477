"""Pydantic imported lightly does what it does otherwise."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

INSTALLED = "import gameday.cli"
SAID = """
import copy, dataclasses, inspect, pickle
from typing import Annotated, Any, Literal
import annotated_types as at, pydantic
from pydantic import *
from pydantic.dataclasses import dataclass as checked
from pydantic.functional_validators import ModelWrapValidatorHandler

def said(what):
    try:
        print(repr(what()))
    except Exception as error:
        print(type(error).__name__, error)

class Inner(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=AliasGenerator(validation_alias=str.upper))
    size: Annotated[int, at.Interval(gt=0, le=9), at.MultipleOf(3)]
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2), AfterValidator(str.title)] = "xx"

class Outer(BaseModel):
    deep: int = Field(validation_alias=AliasChoices("deep", AliasPath("a", 1)), default=1)
    kind: Annotated[int, Tag("i")] | Annotated[str, Tag("s")] = 1
    picked: Annotated[
        Annotated[Inner, Tag("m")] | Annotated[list[int], Tag("l")],
        Discriminator(lambda v: "l" if isinstance(v, list) else "m"),
    ] = Field(default_factory=list)
    shown: Annotated[
        float, PlainSerializer(lambda v: f"{v:.1f}", when_used="json"), WithJsonSchema({"type": "string"})
    ] = 0
    wrapped: Annotated[int, WrapSerializer(lambda v, nxt: [nxt(v)]), WrapValidator(lambda v, nxt: nxt(v) + 1)] = 0
    items: Annotated[list[int], at.Len(1, 3), FailFast()] = Field([1], validate_default=True)
    raw: Base64Str = "eA=="
    _private: int = PrivateAttr(3)

    @field_validator("deep", mode="before")
    @classmethod
    def _deep(cls, value: Any) -> Any:
        return int(value) * 2

    @field_serializer("deep")
    def _out(self, value: int) -> str:
        return str(value)

    @model_validator(mode="after")
    def _whole(self) -> "Outer":
        if self.deep > 100:
            raise ValueError("too deep")
        return self

    @computed_field(description="twice")
    @property
    def twice(self) -> int:
        return 2 * self.deep

class Under(Outer):
    @field_validator("kind")
    @classmethod
    def _kind(cls, value: Any, info: ValidationInfo) -> Any:
        return value

@checked(frozen=True)
class Point:
    x: Annotated[int, Field(ge=0)]
    y: list[int] = Field(default_factory=list)

@validate_call
def called(a: Annotated[int, Field(gt=1)], *, b: str = "b") -> str:
    return b * a

for value in (
    {}, {"deep": "7", "kind": "a", "picked": [1, 2]}, {"a": [0, 4], "picked": {"SIZE": 3, "NAME": " ab "}},
    {"deep": 51},
    {"picked": {"SIZE": 4}}, {"kind": 1.5}, {"items": []}, {"items": ["x", "y"]}, {"wrapped": 2, "shown": 2.34},
):
    for model in (Outer, Under):
        said(lambda: model.model_validate(value))
        said(lambda: model.model_validate(value).model_dump_json())
        said(lambda: model.model_validate(value).model_dump())
for model in (Inner, Outer, Under):
    for mode in ("validation", "serialization"):
        said(lambda: model.model_json_schema(mode=mode))
    said(lambda: model.model_fields)
    said(lambda: inspect.signature(model))
said(lambda: Point(x="1"))
said(lambda: Point(-1))
said(lambda: TypeAdapter(Point).json_schema())
said(lambda: called(2))
said(lambda: called(1))
for one in (
    at.Ge(1), at.Interval(ge=1, lt=3), at.Len(1), at.MinLen(2), at.Predicate(str.isupper), at.Timezone(None),
    at.doc("x"),
    BeforeValidator(int), AfterValidator(str.upper), PlainSerializer(str.upper), AliasPath("a", 1), AliasChoices("a"),
    Strict(), Tag("x"), StringConstraints(max_length=1), AliasGenerator(), AllowInfNan(False),
    pydantic.types.UuidVersion(4),
):
    said(lambda: one)
    said(lambda: copy.copy(one) == one)
    said(lambda: pickle.loads(pickle.dumps(one)) == one)
    said(lambda: hash(one) == hash(copy.deepcopy(one)))
    said(lambda: dataclasses.asdict(one))
    said(lambda: [(f.name, f.type, f.default is dataclasses.MISSING, f.kw_only) for f in dataclasses.fields(one)])
    said(lambda: inspect.signature(type(one)))
    said(lambda: list(one) if isinstance(one, at.GroupedMetadata) else None)
    said(lambda: setattr(one, list(inspect.signature(type(one)).parameters)[0], 5))
    said(lambda: type(one)(1, 2, 3, 4, 5, 6, 7, 8, 9))

from pydantic_core import core_schema, SchemaValidator
said(lambda: core_schema.CoreConfig(title="x"))
said(lambda: type(core_schema.CoreConfig()))
said(lambda: core_schema.StringSchema.__name__)
said(lambda: core_schema.StringSchema.__doc__)
said(lambda: issubclass(core_schema.StringSchema, dict))
said(lambda: core_schema.int_schema(ge=1))
said(lambda: SchemaValidator(core_schema.str_schema(max_length=2)).validate_python("abc"))
said(lambda: [name for name in dir(core_schema) if not name.startswith("_")])
"""


def told(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_does_the_same() -> None:
    # Which types have a place in memory, and where, is no part of it.
    def clean(text: str) -> list[str]:
        return re.sub(r" at 0x[0-9a-f]+", "", text).splitlines()

    ours, theirs = clean(told(f"{INSTALLED}\n{SAID}")), clean(told(SAID))
    assert len(theirs) > 150
    assert ours == theirs


def test_its_classes_are_made_as_far_as_they_are_used() -> None:
    code = f"""{INSTALLED}
import inspect, sys, annotated_types, pydantic.functional_validators as validators
assert "__shape__" in vars(annotated_types.Ge) and "__shape__" in vars(validators.BeforeValidator)
assert not inspect.isfunction(inspect.getattr_static(annotated_types.MinLen, "__init__"))
import dataclasses, pydantic._internal._decorators as decorators
assert sys.modules["dataclasses"] is dataclasses
import typing, typing_extensions, pydantic_core.core_schema as schemas
assert typing.is_typeddict(typing.TypedDict("T", {{"a": int}}))
assert typing_extensions.is_typeddict(typing_extensions.TypedDict("T", {{"a": int}}))
assert "__total__" not in vars(schemas.StringSchema)
assert decorators.dataclass is not dataclasses.dataclass
"""
    assert told(code) == ""


@pytest.mark.parametrize("first", ["from pydantic import BaseModel", "import dataclasses"])
def test_who_was_there_before_stays_as_he_is(first: str) -> None:
    code = f"""
{first}
import sys
real = sys.modules["dataclasses"].dataclass
{INSTALLED}
import dataclasses
assert dataclasses.dataclass is real
import pydantic.functional_validators as validators
assert ("__shape__" in vars(validators.BeforeValidator)) is ("pydantic" not in {first!r})
"""
    assert told(code) == ""
