"""A client of the HTTP API of SoundExtract.

One file, for Python 3.9 or newer, with nothing but the standard library:

    from soundextract import Client

    sx = Client("https://sx.example.org", "sxp_...")
    job = sx.upload("talk.mp4", preset="speech")
    job = sx.wait(job["id"])
    sx.download(job["id"], "talk.mp3")

The token is a personal one, made by `sx token create` or on the web page. Everything that
goes wrong at the server is an Error, with the code and the hint of the response.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import random
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any, BinaryIO, Mapping, Optional, TypedDict, Union, cast

__all__ = ["Client", "Damaged", "Error", "Job", "JobError", "JobFailed", "Track", "Unreachable"]

Option = Union[str, int, float, bool]

_FIRST_PART = 64 << 10  # enough for the server to refuse what is not a media file
_PART = 16 << 20  # what is sent or received in one request is bounded for proxies that buffer it
_BLOCK = 256 << 10
_MAX_JSON = 16 << 20
_MAX_ERROR = 64 << 10
_TRIES = 8  # without progress
_MAX_PAUSE = 30.0
_RETRYABLE = frozenset({"internal", "unavailable", "too_many_requests", "key_in_use"})
_TUS = {"Tus-Resumable": "1.0.0"}
_OCTETS = "application/offset+octet-stream"


class JobError(TypedDict):
    """Why a job has failed."""

    code: str
    message: str
    hint: str


class _TrackRequired(TypedDict):
    number: int
    name: str
    size: int
    sha256: str


class Track(_TrackRequired, total=False):
    """An MP3 of a job. The document of the API has all fields."""

    duration: float
    title: str


class _JobRequired(TypedDict):
    id: str
    name: str
    state: str
    progress: float
    tracks: list[Track]


class Job(_JobRequired, total=False):
    """A conversion. The document of the API has all fields."""

    labels: list[str]
    warnings: list[dict[str, Any]]
    error: JobError


class Error(Exception):
    """A response that says what is wrong.

    The meaning of a code never changes: see docs/errors.md. The request ID is in the
    server's logs.
    """

    def __init__(self, code: str, message: str, hint: str = "", status: int = 0, request_id: str = "",
                 retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} ({self.code})" + (f"; {self.hint}" if self.hint else "")


class Unreachable(Error):
    """The server cannot be reached, or something else answers in its place."""


class JobFailed(Error):
    """The job ended without an MP3."""

    def __init__(self, job: Job) -> None:
        error = job.get("error") or JobError(code=job["state"], message=f"the job of {job['name']} was {job['state']}", hint="")
        super().__init__(error["code"], error["message"], error["hint"])
        self.job = job


class Damaged(Error):
    """The bytes that were received are not those of the MP3."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token is for this server, and not for another one."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class _Part:
    """A bounded part of a file, as the body of a request."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        size = min(self._left, _BLOCK if size < 0 else size)
        try:
            data = self._file.read(size)
        except OSError as error:  # not one of the connection
            raise RuntimeError(f"the file cannot be read: {error}") from error
        if size and not data:
            raise RuntimeError("the file has become shorter while it was sent")
        self._left -= len(data)
        return data


class _Retry:
    """Pauses that grow until there is progress."""

    def __init__(self) -> None:
        self._failures = 0

    def progress(self) -> None:
        self._failures = 0

    def wait(self, error: Exception) -> None:
        """Sleeps before another try, or raises the error if there have been enough."""
        self._failures += 1
        if self._failures >= _TRIES:
            raise error
        pause = min(_MAX_PAUSE, 0.25 * 2**self._failures) * random.uniform(0.5, 1)
        if isinstance(error, Error) and error.retry_after is not None:
            pause = max(pause, min(error.retry_after, _MAX_PAUSE))
        time.sleep(pause)


def _may_pass(error: Error) -> bool:
    return isinstance(error, Unreachable) or error.code in _RETRYABLE


class Client:
    """A client of one server, with the rights of a personal token."""

    def __init__(self, server: str, token: str, timeout: float = 60) -> None:
        """timeout is the longest time in seconds without a byte from the server."""
        parts = urllib.parse.urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{server!r} is not the address of a server, such as https://sx.example.org")
        self._server = server.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_NoRedirects)

    def upload(self, path: Union[str, os.PathLike[str]], *, filename: Optional[str] = None, key: Optional[str] = None,
               **options: Option) -> Job:
        """Uploads a file and returns its job, which is queued.

        The options are the keys of Upload-Metadata in the document of the API: preset, mono,
        title, labels (separated by commas) and so on. A broken connection is continued. With a
        key of your choice, a later call with the same file, options and key continues an upload
        that was not finished, and returns the job of one that was, within a day.
        """
        size = os.path.getsize(path)
        metadata = {"filename": filename or os.path.basename(os.fspath(path)), **options}
        with open(path, "rb") as file:
            upload, offset = self._create(size, metadata, key or str(uuid.uuid4()))
            retry = _Retry()
            while offset < size:
                try:
                    file.seek(offset)
                    part = min(size - offset, _PART if offset else _FIRST_PART)
                    headers = {**_TUS, "Upload-Offset": str(offset), "Content-Type": _OCTETS, "Content-Length": str(part)}
                    with self._open("PATCH", upload, headers, _Part(file, part)) as response:
                        offset = int(response.headers["Upload-Offset"])
                    retry.progress()
                except Error as error:
                    if error.code != "offset_conflict" and not _may_pass(error):
                        raise
                    retry.wait(error)
                    stored = self._offset(upload)
                    if stored > offset:
                        retry.progress()
                    offset = stored
        return self.job(upload.rsplit("/", 1)[1])

    def job(self, job_id: str) -> Job:
        """Returns a job."""
        retry = _Retry()
        while True:
            try:
                with self._open("GET", "/v1/jobs/" + urllib.parse.quote(job_id, safe="")) as response:
                    return cast(Job, json.loads(_read(response, _MAX_JSON)))
            except Error as error:
                if not _may_pass(error):
                    raise
                retry.wait(error)

    def wait(self, job_id: str, timeout: Optional[float] = None) -> Job:
        """Waits until the job is done and returns it.

        Raises JobFailed if it ends otherwise, and TimeoutError after timeout seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        pause = 0.25
        while True:
            job = self.job(job_id)
            if job["state"] == "done":
                return job
            if job["state"] not in ("uploading", "queued", "running"):
                raise JobFailed(job)
            if end is not None and time.monotonic() + pause > end:
                raise TimeoutError(f"the job {job_id} is still {job['state']}")
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    def download(self, job_id: str, path: Union[str, os.PathLike[str]], track: int = 1) -> None:
        """Stores an MP3 of the job, in place of a file that exists.

        It is first received into path.part and checked against its SHA-256. A broken connection
        is continued.
        """
        part = os.fspath(path) + ".part"
        url = f"/v1/jobs/{urllib.parse.quote(job_id, safe='')}/tracks/{track}"
        retry = _Retry()
        etag = ""
        with open(part, "wb") as file:
            while True:
                headers = {"Range": f"bytes={file.tell()}-", "If-Range": etag} if file.tell() else {}
                try:
                    with self._open("GET", url, headers) as response:
                        if response.status != http.client.PARTIAL_CONTENT:  # from the beginning
                            file.seek(0)
                            file.truncate()
                        etag = response.headers["ETag"]
                        left = int(response.headers["Content-Length"])
                        while left:
                            left -= file.write(_read_some(response, min(left, _BLOCK)))
                            retry.progress()
                    break
                except Error as error:
                    if not _may_pass(error):
                        raise
                    retry.wait(error)
        if _sha256(part) != etag.strip('"'):
            os.remove(part)
            raise Damaged("damaged", f"the MP3 of the job {job_id} does not have its SHA-256", "download it again")
        os.replace(part, path)

    def _create(self, size: int, metadata: Mapping[str, Option], key: str) -> tuple[str, int]:
        """Returns the path of an upload, and how many bytes it has from an earlier call."""
        headers = {**_TUS, "Upload-Length": str(size), "Upload-Metadata": _encode(metadata), "Idempotency-Key": f'"{key}"'}
        retry = _Retry()
        while True:
            try:
                with self._open("POST", "/v1/uploads/", headers) as response:
                    location = urllib.parse.urlsplit(response.headers["Location"]).path
                    return location, int(response.headers.get("Upload-Offset") or 0)
            except Error as error:
                if not _may_pass(error):
                    raise
                retry.wait(error)

    def _offset(self, upload: str) -> int:
        retry = _Retry()
        while True:
            try:
                with self._open("HEAD", upload, _TUS) as response:
                    return int(response.headers["Upload-Offset"])
            except Error as error:
                if not _may_pass(error) and error.code != "offset_conflict":
                    raise
                retry.wait(error)

    def _open(self, method: str, path: str, headers: Optional[Mapping[str, str]] = None,
              body: Optional[_Part] = None) -> http.client.HTTPResponse:
        """Sends a request. Raises an Error for every response but that of success."""
        request = urllib.request.Request(self._server + path, cast(Any, body), dict(headers or {}), method=method)
        request.add_unredirected_header("Authorization", "Bearer " + self._token)
        try:
            return cast(http.client.HTTPResponse, self._opener.open(request, timeout=self._timeout))
        except urllib.error.HTTPError as response:
            with response:
                raise _error(response) from None
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self._server, error) from error


def _encode(metadata: Mapping[str, Option]) -> str:
    def text(value: Option) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return ",".join(f"{k} {base64.b64encode(text(v).encode()).decode()}" for k, v in sorted(metadata.items()))


def _read(response: Any, limit: int) -> bytes:
    try:
        data: bytes = response.read(limit + 1)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable("unreachable", f"the response was interrupted: {error}") from error
    if len(data) > limit:
        raise Unreachable("foreign_response", "the response is too large to be the server's")
    return data


def _read_some(response: http.client.HTTPResponse, size: int) -> bytes:
    try:
        data = response.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable("unreachable", f"the download was interrupted: {error}") from error
    if not data:
        raise Unreachable("unreachable", "the download was interrupted")
    return data


_STATUS_CODES = {401: "unauthenticated", 404: "not_found", 409: "offset_conflict", 410: "upload_expired"}


def _error(response: urllib.error.HTTPError) -> Error:
    after = response.headers.get("Retry-After", "")
    retry_after = float(after) if after.isdecimal() else None
    request_id = response.headers.get("X-Request-Id", "")
    try:
        error = json.loads(_read(response, _MAX_ERROR))["error"]
        return Error(str(error["code"]), str(error["message"]), str(error["hint"]), response.code, request_id, retry_after)
    except (ValueError, LookupError, TypeError):
        pass
    what = f"{response.code} {response.reason}"
    if request_id and response.code in _STATUS_CODES:  # of a request for headers only
        return Error(_STATUS_CODES[response.code], f"the server answered {what}", "", response.code, request_id, retry_after)
    if response.code >= 500 or response.code == 429:
        return Unreachable("unavailable", f"the server answered {what}", "try again later", response.code, request_id, retry_after)
    return Error("foreign_response", f"{what} is not the response of a SoundExtract server",
                 "check the address of the server, and the proxy", response.code, request_id)


def _unreachable(server: str, error: Exception) -> Unreachable:
    return Unreachable("unreachable", f"{server} cannot be reached: {error}", "check the address and the network")


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(_BLOCK):
            digest.update(data)
    return digest.hexdigest()
