# An image of the service alone; set REDIS_URL to its store. Build in the root of the repository:
#
#   docker build -t otel-jcmc:local .
#
# It runs as an unprivileged user on a read-only root file system and writes only to /tmp.

FROM python:3.11.15-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# All packages are pinned by hash. The build backend is in run.txt, because pip's build isolation would
# fetch a backend of its own choice.
COPY requirements/run.txt requirements/runtime.txt /requirements/
RUN ["python", "-m", "venv", "/build"]
RUN ["/build/bin/pip", "install", "--require-hashes", "-r", "/requirements/run.txt"]
# The final image needs no pip.
RUN ["python", "-m", "venv", "--without-pip", "/app"]
RUN ["/build/bin/pip", "--python", "/app/bin/python", "install", "--require-hashes", "-r", "/requirements/runtime.txt"]

COPY pyproject.toml README.md LICENSE /src/
COPY client /src/client
COPY otel_jcmc /src/otel_jcmc
RUN ["/build/bin/pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "/wheel", "/src"]
RUN ["/build/bin/pip", "--python", "/app/bin/python", "install", "--no-deps", "--no-index", "--find-links", "/wheel", "otel-jcmc"]


FROM python:3.11.15-slim-bookworm

COPY --from=build /app /app
# The base image has no bytecode of the standard library, and nothing can write it later. Without this
# import, each start compiles the modules again, for half a second.
RUN ["/app/bin/python", "-c", "import otel_jcmc.service.app, otel_jcmc.server.server"]

ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    JCMC_HOST=0.0.0.0 \
    JCMC_ADMIN_HOST=0.0.0.0

# A number, because Kubernetes' runAsNonRoot cannot tell from a name that the user is not root.
USER 10001:10001
# You may mount a .env file of settings here.
WORKDIR /app
EXPOSE 3000

# Asks the port that has /-/healthy. It accepts any name in the certificate and uses no proxy, even with
# http_proxy set, because it asks its own container. A status of 400 or more raises.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["python", "-c", "import os, ssl, urllib.request as r; get = os.environ.get; port = get('JCMC_ADMIN_PORT') or get('JCMC_PORT') or get('PORT') or '3000'; scheme = 'https' if get('JCMC_TLS_CERTIFICATE_FILE') else 'http'; tls = r.HTTPSHandler(context=ssl._create_unverified_context()); r.build_opener(r.ProxyHandler({}), tls).open(f'{scheme}://127.0.0.1:{port}/-/healthy', timeout=2)"]

ENTRYPOINT ["otel-jcmc"]
CMD ["serve"]
