# Untested: no container engine was at hand where this was written. See docs/fleet.md.
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt '.[live]'
RUN useradd --create-home glimpse
USER glimpse
ENTRYPOINT ["glimpse", "live"]
CMD ["--config", "/etc/glimpse/cameras.yaml"]
