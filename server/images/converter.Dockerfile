# No directory need be writable.
# A release gives the digest that it resolved.
ARG BASE=docker.io/library/debian:trixie-slim
FROM $BASE
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates ffmpeg \
 && rm -rf /var/lib/apt/lists/*
ARG VERSION=dev
LABEL org.opencontainers.image.title="SoundExtract converter" \
      org.opencontainers.image.description="Converts videos to MP3 with ffmpeg" \
      org.opencontainers.image.source="https://github.com/soundextract/sx" \
      org.opencontainers.image.version="$VERSION"
# smoke is the Helm test; it needs ffmpeg too.
ARG TARGETPLATFORM
COPY $TARGETPLATFORM/converter $TARGETPLATFORM/smoke /usr/local/bin/
ENV SX_ADDR=:8742
EXPOSE 8742
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/usr/local/bin/converter", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/converter"]
