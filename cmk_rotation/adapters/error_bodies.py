"""What an answer says is wrong, in all the shapes that Azure's services and the gateways before them use.

`{"error": {"code", "message"}}` is documented (OData, ARM). Resource providers also send it in capitals, without the outer
object, or the message alone, and gateways send plain text. What really happened may stand in `details`.
"""

import json
from collections.abc import Iterator, Mapping

_MOST_DETAILS = 5


def read(text: str) -> tuple[str | None, str | None]:
    """The code and the message in a body, as far as there are any. Markup says nothing."""
    try:
        return read_object(json.loads(text))
    except (ValueError, RecursionError):
        plain = text.strip()
        return None, plain if plain and not plain.startswith(("<", "{", "[", "\ufeff", "--")) else None


def read_object(body: object) -> tuple[str | None, str | None]:
    """The code and the message in a decoded body. The messages of its details follow its own."""
    if isinstance(body, str):
        return None, body.strip() or None
    fields = lowered(body)
    inner = fields.get("error", fields.get("odata.error"))
    if inner:
        return read_object(inner)
    message = fields.get("message")
    own = lowered(message).get("value") if isinstance(message, Mapping) else message
    told = [text for text in (own, *_details(fields.get("details"))) if isinstance(text, str) and text.strip()]
    code = fields.get("code")
    return code if isinstance(code, str) and code else None, "; ".join(told) or None


def lowered(value: object) -> Mapping[str, object]:
    """An object with its names in lower case; an empty one for anything else."""
    return {str(name).lower(): field for name, field in value.items()} if isinstance(value, Mapping) else {}


def _details(details: object) -> Iterator[str]:
    for detail in details[:_MOST_DETAILS] if isinstance(details, list) else ():
        code, message = read_object(detail)
        if code or message:
            yield ": ".join(filter(None, (code, message)))
