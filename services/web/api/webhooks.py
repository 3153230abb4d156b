"""What Vigía posts to the address in VIGIA_WEBHOOK_URL, as the OpenAPI document describes it. Serves no route."""

from typing import Annotated

from fastapi import APIRouter, Header

from services.notices.documents import AlertNotice

MAX_KEY_CHARS = 400

router = APIRouter(tags=["webhooks"])


@router.post("alert-changed", operation_id="alert_changed", status_code=204)
def alert_changed(
    notice: AlertNotice,
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            max_length=MAX_KEY_CHARS,
            description="The same for each attempt of one notice: 64 hexadecimal digits",
        ),
    ],
) -> None:
    """A change of an alert. Any answer from 200 to 299 accepts it; after any other it is sent again."""
    raise NotImplementedError(f"described only: {notice.alert_id} {idempotency_key}")
