"""ASGI middleware of the service, in this order from the outside to the application.

0. TracingMiddleware, with TGSH_OTLP_ENDPOINT only: a span for every request.
1. RequestMetricsMiddleware (service.metrics): counts every response, refusals too.
2. RequestLogMiddleware: gives the request its id, which all log lines below have.
3. SecurityHeadersMiddleware: every response has the headers, refusals too.
4. HeadMiddleware: has a HEAD answered as a GET by all below, and drops the body.
5. ProblemPageMiddleware (service.dashboard.rendering): renders problem documents of all below as pages.
6. AllowedHostsMiddleware: refuses other hosts before a key is read (DNS rebinding).
7. AuthMiddleware: finds the caller before a body, a stream or a cached response is handled.
8. StreamLimitMiddleware: counts event streams of authenticated callers.
9. FinalResponseCacheMiddleware: returns final responses without reading a body or the database.
10. BodyLimitMiddleware: reads the body within its limits.

`service.app.create_app` adds them from the last to the first.
"""
