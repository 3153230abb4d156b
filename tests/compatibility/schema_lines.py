"""JSON Schemas and OpenAPI descriptions as flat lists, one property or parameter a line."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern")
_ITEM_BOUNDS = ("minItems", "maxItems")


def properties(schema: Json, definitions: Json, path: str = "") -> list[str]:
    """Every property of a schema as `path.name: type`, sorted. References are followed, so no names of `definitions`
    appear. A property with several types has one line for each.
    """
    return sorted(set(_properties(schema, definitions, path, ())))


def _properties(schema: Json, definitions: Json, path: str, seen: tuple[str, ...]) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name in seen:
            yield f"{path}: repeats an object above it"
        else:
            yield from _properties(definitions[name], definitions, path, (*seen, name))
        return
    variants = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if variants:
        for variant in variants:
            yield from _properties(variant, definitions, path, seen)
        return
    yield from _nested_properties(schema, definitions, path, seen)


def _nested_properties(schema: Json, definitions: Json, path: str, seen: tuple[str, ...]) -> Iterator[str]:
    named = schema.get("properties", {})
    required = set(schema.get("required", ()))
    for name, inner in named.items():
        place = f"{path}.{name}" if path else name
        yield from _properties(inner, definitions, place if name in required else f"{place}?", seen)
    if isinstance(others := schema.get("additionalProperties"), Mapping):
        yield from _properties(others, definitions, f"{path}.*", seen)
    elif schema.get("type") == "object" and not named:
        yield f"{path}: object"
    if schema.get("type") == "array":
        for inner in schema.get("prefixItems") or [schema.get("items") or {}]:
            yield from _properties(inner, definitions, f"{path}[]", seen)
    elif not named and schema.get("type") != "object":
        yield f"{path}: {described(schema)}"


def described(schema: Json, definitions: Json | None = None) -> str:
    """The type of a value in a few words, with bounds, choices and default."""
    if "$ref" in schema:
        target = (definitions or {}).get(schema["$ref"].rsplit("/", 1)[-1], {})
        return described({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, definitions)
    variants = schema.get("anyOf") or schema.get("oneOf")
    if variants:
        words = " or ".join(described(variant, definitions) for variant in variants)
    elif "enum" in schema or "const" in schema:
        words = "|".join(sorted(str(value) for value in schema.get("enum", [schema.get("const")])))
    elif schema.get("type") == "array":
        words = f"array of {described(schema.get('items') or {}, definitions)}{_bounds(schema, _ITEM_BOUNDS)}"
    else:
        kind = schema.get("type", "anything")
        words = " ".join(filter(None, ("|".join(kind) if isinstance(kind, list) else kind, schema.get("format"))))
        words += _bounds(schema, _BOUNDS)
    return f"{words}, default {schema['default']!r}" if "default" in schema else words


def _bounds(schema: Json, names: Iterable[str]) -> str:
    return "".join(f" {name} {schema[name]}" for name in names if name in schema)


def operations(document: Json, prefix: str = "") -> Iterator[tuple[str, Json]]:
    """Every operation of an OpenAPI description, with its method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {prefix}{path}", operation


def parameters(document: Json, prefix: str = "") -> list[str]:
    """Every parameter and every field of a request body in an OpenAPI description."""
    definitions = document.get("components", {}).get("schemas", {})
    lines = []
    for name, operation in operations(document, prefix):
        for parameter in operation.get("parameters", ()):
            required = " required" if parameter.get("required") else ""
            value = described(parameter["schema"], definitions)
            lines.append(f"{name} {parameter['in']} {parameter['name']}{required}: {value}")
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            lines += [f"{name} body {media_type} {line}" for line in properties(content["schema"], definitions)]
    return sorted(lines)


def answers(document: Json, prefix: str = "") -> tuple[list[str], list[str]]:
    """Every response status with its media types, and every property of responses below status 300."""
    definitions = document.get("components", {}).get("schemas", {})
    statuses, fields = [], []
    for name, operation in operations(document, prefix):
        for status, response in operation["responses"].items():
            content = response.get("content", {})
            statuses.append(" ".join((name, status, *sorted(content))))
            if status < "3":
                for media in content.values():
                    fields += [f"{name} -> {line}" for line in properties(media.get("schema", {}), definitions)]
    return sorted(statuses), sorted(set(fields))


def refusals(document: Json) -> list[str]:
    """Every property of responses from status 300 on. Most operations share them."""
    definitions = document.get("components", {}).get("schemas", {})
    return sorted(
        {
            line
            for _, operation in operations(document)
            for status, response in operation["responses"].items()
            for media_type, media in response.get("content", {}).items()
            if status >= "3"
            for line in (f"{media_type} {line}" for line in properties(media.get("schema", {}), definitions))
        }
    )
