# A release gives the digest that it resolved.
ARG BASE=gcr.io/distroless/static-debian13:nonroot
FROM $BASE
ARG VERSION=dev
LABEL org.opencontainers.image.title="SoundExtract notifier" \
      org.opencontainers.image.description="E-mail and webhook notifications of finished jobs" \
      org.opencontainers.image.source="https://github.com/soundextract/sx" \
      org.opencontainers.image.version="$VERSION"
ARG TARGETPLATFORM
COPY $TARGETPLATFORM/notifier /usr/local/bin/notifier
ENV SX_ADDR=:8743
EXPOSE 8743
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/usr/local/bin/notifier", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/notifier"]
