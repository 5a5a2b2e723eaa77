"""Requests to the REST API of a TensorFlow Serving server.

A request is repeated where that can help. An error is reported in the words of the server.
"""

import codecs
import json
import random
import re
import time
from typing import Any
from urllib.parse import quote

import requests
from urllib3.exceptions import InvalidHeader, ReadTimeoutError
from urllib3.util import Retry

FIRST_WAIT = 0.5
"""Seconds between the first two attempts. Each further wait is twice as long."""
MAX_WAIT = 30.0
"""Maximum number of seconds between two attempts, whatever the server asks for."""
MAX_ERROR_LENGTH = 600
"""Maximum number of characters of a server's error that are passed on, because the error may quote
the full request."""
UNAVAILABLE = {502, 503, 504}
"""Statuses of a server that is busy, or that a proxy cannot reach. It may answer a little later."""
REMEDIES = {
    404: "check the url, the model's name and its version",
    413: "send fewer or smaller images at a time",
}
"""Remedies for the errors with these statuses."""


class Endpoint:
    """The address of one model on a server. Many threads may use it at a time.

    A request is sent again if the connection fails or if the server answers 502, 503 or 504. The
    waits are 0.5, 1, 2, ... seconds, each shortened by a random share of at most one half, so that
    clients that failed together do not come back together. If the server sends a Retry-After, the
    wait is as long as that says. A request that timed out is not sent again: the server still works
    on the first one, and would have more to do.

    Args:
        url, model, version, timeout, retries, session: see `Client`.
        connections: number of connections to keep open, as many as there are threads.

    Raises:
        ValueError: the url is none, or there is no model.
    """

    def __init__(
        self,
        url: str,
        model: str,
        version: int | str | None,
        timeout: float,
        retries: int,
        session: requests.Session | None,
        connections: int,
    ):
        if not re.match("https?://[^/]", url):
            raise ValueError(
                f"url must begin with http:// or https:// and a host; received {url!r}; "
                "pass one such as http://localhost:8501."
            )
        if not model:
            raise ValueError("model must be a model's name on the server; received none; pass one.")
        self.url = f"{url.rstrip('/')}/v1/models/{quote(model, safe='')}"
        if version not in (None, ""):
            kind = "versions" if re.fullmatch("[0-9]+", str(version)) else "labels"
            self.url += f"/{kind}/{quote(str(version), safe='')}"
        self.timeout = timeout
        self.retries = retries
        self.session = session or requests.Session()
        if session is None:
            for scheme in ("http://", "https://"):
                self.session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=connections))

    def request(self, path: str, body: Any = None) -> dict[str, Any]:
        """Returns the JSON object that the server answers.

        Args:
            path: path behind the url of the model.
            body: JSON value to send with a POST; None: the request is a GET.

        Raises:
            ValueError, TimeoutError, ConnectionError: see `Client`.
        """
        url = self.url + path
        # urllib3's own retries end before the body of the answer, but a server that is stopped may
        # break off within the body. Therefore this loop repeats the request.
        for attempt in range(self.retries + 1):
            wait = min(MAX_WAIT, FIRST_WAIT * 2**attempt) * random.uniform(0.5, 1)
            try:
                response = self._send(url, body)
            except _ConnectionBroken as error:
                failure = str(error)
            else:
                if response.status_code not in UNAVAILABLE:
                    return _read_answer(response, url)
                reason = _error_text(response) or response.reason
                failure = f"answered {response.status_code}: {reason}"
                wait = _retry_after(response, wait)
            if attempt < self.retries:
                time.sleep(wait)
        raise ConnectionError(
            f"A running server is required; {url} {failure} (tried {self.retries + 1} times); "
            "check the url and the server."
        )

    def _send(self, url: str, body: Any) -> requests.Response:
        """Sends a request once; see `request`.

        Raises:
            _ConnectionBroken: another attempt may help.
        """
        # Write the request.
        options: dict[str, Any] = {
            "timeout": self.timeout,
            # A redirection would turn a POST into a GET.
            "allow_redirects": False,
            # Without this, REQUESTS_CA_BUNDLE would replace the certificates of the session.
            "verify": self.session.verify,
        }
        if body is not None:
            options["data"] = json.dumps(body).encode()
            options["headers"] = {"Content-Type": "application/json"}
        # Send the request, and sort the errors by what helps.
        try:
            return self.session.request("GET" if body is None else "POST", url, **options)
        except requests.exceptions.SSLError as error:
            raise ConnectionError(
                f"A certificate that can be verified is required; {url} failed: "
                f"{_innermost_reason(error)}; check the url, or name the certificate's authority "
                "in REQUESTS_CA_BUNDLE."
            ) from None
        except (
            requests.ConnectionError,
            requests.ReadTimeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            if _is_timeout(error):
                raise TimeoutError(
                    f"An answer is required within {self.timeout:g} seconds; {url} gave none; "
                    "allow more time, or send fewer images at a time."
                ) from None
            raise _ConnectionBroken(f"cannot be reached: {_innermost_reason(error)}") from None
        except requests.RequestException as error:
            raise ValueError(
                f"A url that can be asked is required; {url}: {error}; correct it."
            ) from None


class _ConnectionBroken(Exception):
    """A request without an answer, which may be repeated."""


def _is_timeout(error: requests.RequestException) -> bool:
    """Returns whether the server did not answer in time.

    Within the body of an answer, requests reports a time-out as a ConnectionError.
    """
    return isinstance(error, requests.ReadTimeout) or isinstance(
        next(iter(error.args), None), ReadTimeoutError
    )


def _read_answer(response: requests.Response, url: str) -> dict[str, Any]:
    """Returns the JSON object of a good answer. Raises an error for any other answer."""
    # Report the errors of the server.
    code, error_text = response.status_code, _error_text(response)
    # A 500 is about this request, and other requests may still be answered.
    server_error = ValueError if code == 500 else ConnectionError
    if response.is_redirect:
        location = response.headers["Location"]
        raise ConnectionError(
            f"The server's own url is required; {url} redirects to {location}; use that one's."
        )
    if error_text is not None:
        remedy = REMEDIES.get(code, "correct the request" if code < 500 else "see the server's log")
        kind = ValueError if code < 500 else server_error
        raise kind(
            f"A request that the server accepts is required; {url} answered {code}: {error_text}; "
            f"{remedy}."
        )
    # Read the answer, which may be a page of a proxy.
    try:
        answer = json.loads(response.content) if response.ok else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        content_type = response.headers.get("Content-Type", "no type")
        raise server_error(
            f"TensorFlow Serving is required; {url} answered {code} {response.reason} with "
            f"{content_type}, which is none of its answers; check the url, and the proxy if there "
            "is one."
        )
    return answer


def _error_text(response: requests.Response) -> str | None:
    """Returns the error in a server's answer as one line, or None if there is no error."""
    text = response.content.decode("utf-8", "replace")
    match = re.fullmatch(r'\s*\{\s*"error"\s*:\s*"(.*)"\s*\}\s*', text, re.DOTALL)
    if not match:
        return None
    try:
        error = json.loads(f'"{match[1]}"', strict=False)
    except ValueError:
        # The server escapes the text as in C, with \' and octal bytes, which JSON does not know.
        escaped = match[1].encode("latin-1", "backslashreplace")
        latin = codecs.decode(escaped, "unicode_escape", "replace")
        error = latin.encode("latin-1", "replace").decode("utf-8", "replace")
    error = " ".join(error.split()).rstrip(".;")
    if len(error) <= MAX_ERROR_LENGTH:
        return error
    half = MAX_ERROR_LENGTH // 2
    return f"{error[:half]} ... {error[-half:]}"


def _retry_after(response: requests.Response, default: float) -> float:
    """Returns the number of seconds that the server asks to wait, or the default."""
    try:
        return min(MAX_WAIT, Retry().parse_retry_after(response.headers["Retry-After"]))
    except (KeyError, InvalidHeader):
        return default


def _innermost_reason(error: BaseException) -> str:
    """Returns the text of the innermost error inside the errors of requests and urllib3."""
    while isinstance(
        inner := getattr(error, "reason", None) or error.__cause__ or error.__context__,
        BaseException,
    ):
        error = inner
    return getattr(error, "strerror", None) or str(error)
