# The service alone: its store is REDIS_URL. Build from the root of the repository:
#
#   docker build -t otel-jcmc:local .
#
# Runs as an unprivileged user on a read-only root file system and writes nothing but /tmp.

FROM python:3.11.15-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# Everything that runs here is pinned by hash, the build backend too, which is in run.txt: pip's build
# isolation would fetch one of its own choice.
COPY requirements/run.txt requirements/runtime.txt /requirements/
RUN ["python", "-m", "venv", "/build"]
RUN ["/build/bin/pip", "install", "--require-hashes", "-r", "/requirements/run.txt"]
# What runs later needs no pip.
RUN ["python", "-m", "venv", "--without-pip", "/app"]
RUN ["/build/bin/pip", "--python", "/app/bin/python", "install", "--require-hashes", "-r", "/requirements/runtime.txt"]

COPY pyproject.toml README.md LICENSE /src/
COPY client /src/client
COPY otel_jcmc /src/otel_jcmc
RUN ["/build/bin/pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "/wheel", "/src"]
RUN ["/build/bin/pip", "--python", "/app/bin/python", "install", "--no-deps", "--no-index", "--find-links", "/wheel", "otel-jcmc"]


FROM python:3.11.15-slim-bookworm

COPY --from=build /app /app
# The image comes without the standard library's bytecode, and nothing can write it later: without
# this each start compiles what it imports, half a second.
RUN ["/app/bin/python", "-c", "import otel_jcmc.service.app, otel_jcmc.server.server"]

ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    JCMC_HOST=0.0.0.0 \
    JCMC_ADMIN_HOST=0.0.0.0

# A number, so that Kubernetes' runAsNonRoot can see that it isn't root.
USER 10001:10001
# Where a .env file of settings may be mounted.
WORKDIR /app
EXPOSE 3000

# Asks the port that knows, in TLS whatever the certificate's name is: the question is for this container,
# so no proxy either, whatever http_proxy says. A status of 400 or more raises.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["python", "-c", "import os, ssl, urllib.request as r; get = os.environ.get; port = get('JCMC_ADMIN_PORT') or get('JCMC_PORT') or get('PORT') or '3000'; scheme = 'https' if get('JCMC_TLS_CERTIFICATE_FILE') else 'http'; tls = r.HTTPSHandler(context=ssl._create_unverified_context()); r.build_opener(r.ProxyHandler({}), tls).open(f'{scheme}://127.0.0.1:{port}/-/healthy', timeout=2)"]

ENTRYPOINT ["otel-jcmc"]
CMD ["serve"]
