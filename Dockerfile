# sedtalker serve on a CPU, built from the wheel:
#   docker build -t sedtalker .
#   docker run --rm -p 127.0.0.1:8000:8000 -e SEDTALKER_TOKEN=choose-a-long-secret sedtalker
# Without SEDTALKER_TOKEN a random token is printed.

FROM python:3.11-slim AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY sedtalker sedtalker
COPY checkpoints checkpoints
COPY configs configs
COPY render/lights render/lights
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[serve]" \
 && useradd --create-home --uid 10001 sedtalker
USER sedtalker
WORKDIR /home/sedtalker
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/v1/health', timeout=3)"]
STOPSIGNAL SIGTERM
CMD ["sedtalker", "serve", "--host", "0.0.0.0", "--port", "8000"]
