"""Connect with the Redis client, and tell its errors apart."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from .defaults import DEFAULT_URL, URL_VARIABLE
from .errors import LayoutMismatch, Refused, ScriptRefused, ServerError, Unavailable

if TYPE_CHECKING:
    import redis
    import redis.asyncio

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0

# A server that is silent for longer is taken for gone; well above the longest BLPOP.
SOCKET_TIMEOUT_S = 10.0

_CREDENTIALS = re.compile(r"//[^/]*@")
_CLUSTER_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}

# Errors after which the same call may succeed. [CALL-7]
_PASSING = ("READONLY", "LOADING", "TRYAGAIN", "CLUSTERDOWN", "MOVED", "ASK", "UNBLOCKED", "MASTERDOWN", "NOREPLICAS")


def server_url(url: str | None = None) -> str:
    """Return the URL to use: the given one, that of JOBWIRE_REDIS_URL, or the default."""
    return url or os.environ.get(URL_VARIABLE) or DEFAULT_URL


def _options(url: str) -> tuple[str, dict[str, Any], bool]:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    scheme, separator, rest = url.partition("://")
    plain = _CLUSTER_SCHEMES.get(scheme, scheme)
    options: dict[str, Any] = {"decode_responses": False}
    if scheme != "unix":
        options["socket_keepalive"] = True
    for name in ("socket_timeout", "socket_connect_timeout"):
        if name not in url:
            options[name] = SOCKET_TIMEOUT_S
    if plain == scheme:
        # Each caller here decides for itself what is sent again, and when.
        options["retry"] = Retry(NoBackoff(), 0)
    return plain + separator + rest, options, plain != scheme


def _brief() -> dict[str, Any]:
    """Return options that spare each new connection three round trips, where the client has them.

    In these it introduces itself, and asks to be told of maintenance, of which a lost connection tells us, too.
    """
    try:
        import redis.driver_info  # noqa: F401
        from redis.maint_notifications import MaintNotificationsConfig
    except ImportError:
        return {}
    return {"driver_info": None, "maint_notifications_config": MaintNotificationsConfig(enabled=False)}


def connect(url: str) -> redis.Redis:
    """Return a synchronous client; `redis+cluster://` and `rediss+cluster://` give a Cluster client."""
    import redis
    import redis.cluster

    plain, options, cluster = _options(url)
    try:
        if cluster:
            return cast("redis.Redis", redis.cluster.RedisCluster.from_url(plain, **options))
        single: redis.Redis = redis.Redis.from_url(plain, **options, **_brief())
        return single
    except ValueError as error:
        raise _bad_url(url, error) from None
    except (redis.RedisError, redis.exceptions.RedisClusterException) as error:
        raise Unavailable(f"server: no answer from {_shown(url)}: {error}") from error


def connect_async(url: str) -> redis.asyncio.Redis:
    """Return an asynchronous client, as `connect` does a synchronous one."""
    import redis.asyncio
    import redis.asyncio.cluster

    plain, options, cluster = _options(url)
    try:
        if cluster:
            return cast("redis.asyncio.Redis", redis.asyncio.RedisCluster.from_url(plain, **options))
        single: redis.asyncio.Redis = redis.asyncio.Redis.from_url(plain, **options)
        return single
    except (ValueError, redis.exceptions.RedisClusterException) as error:
        raise _bad_url(url, error) from None


def _bad_url(url: str, error: Exception) -> Refused:
    wanted = "redis://, rediss://, unix://, redis+cluster:// or rediss+cluster://"
    return Refused(f"url: expected {wanted}, got {_shown(url)!r}: {error}")


def _shown(url: str) -> str:
    """Return a URL without its user and password, which belong into no message."""
    return _CREDENTIALS.sub("//", url)


def is_cluster(client: Any) -> bool:
    """Whether a client speaks to a Cluster, where calls to several queues cannot share a pipeline."""
    return type(client).__name__ == "RedisCluster"


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed when it is sent again. [CALL-7]"""
    import redis.exceptions as failures

    if isinstance(error, failures.AuthenticationError | failures.AuthorizationError | failures.NoPermissionError):
        return False
    if isinstance(error, failures.ConnectionError | failures.TimeoutError | OSError | failures.ClusterError):
        return True
    if isinstance(error, failures.RedisClusterException):
        return "cannot be connected" in str(error)
    return isinstance(error, failures.ResponseError) and (
        str(error).startswith(_PASSING)
        or isinstance(
            error, failures.ReadOnlyError | failures.TryAgainError | failures.AskError | failures.ClusterDownError
        )
    )


def translate(error: BaseException) -> ServerError:
    """Return our error for one of the client's. [CALL-5] [CALL-6]"""
    text = str(error)
    if "JOBWIRE_LAYOUT" in text:
        have = text.partition("JOBWIRE_LAYOUT")[2].strip()
        return LayoutMismatch(f"control.layout: expected '1', got {have!r} [CALL-5]")
    if "JOBWIRE_ARGUMENT" in text:
        return ScriptRefused(f"{text} [CALL-6]")
    return Unavailable(f"server: {text or type(error).__name__}")


def is_unknown_script(reply: Any) -> bool:
    """Whether a reply says that the server does not know the script. [CALL-2]"""
    import redis.exceptions as failures

    return isinstance(reply, failures.NoScriptError) or (
        isinstance(reply, failures.ResponseError) and str(reply).startswith("NOSCRIPT")
    )


def pauses() -> Iterator[float]:
    """Yield how many seconds to wait before each further try, growing, with jitter."""
    pause = FIRST_PAUSE_S
    while True:
        yield pause * (0.5 + random.random() / 2)
        pause = min(pause * 2, LONGEST_PAUSE_S)


@cache
def client_errors() -> tuple[type[Exception], ...]:
    """Return what the client raises when the server or the way to it is at fault."""
    import redis.exceptions as failures

    return (failures.RedisError, failures.RedisClusterException, OSError)


@cache
def response_error() -> type[Exception]:
    """Return what the client raises for an error that the server answers."""
    import redis.exceptions as failures

    return failures.ResponseError


def check_client(client: Any) -> None:
    """Refuse a client that decodes replies. [KEY-2]"""
    # A Cluster's client has a pool a node.
    options = client.get_connection_kwargs() if is_cluster(client) else client.connection_pool.connection_kwargs
    if options.get("decode_responses"):
        raise Refused("client: expected decode_responses=False, got True [KEY-2]")
