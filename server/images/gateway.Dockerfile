# A release gives the digest that it resolved.
ARG BASE=gcr.io/distroless/static-debian13:nonroot
FROM $BASE
ARG VERSION=dev
LABEL org.opencontainers.image.title="SoundExtract gateway" \
      org.opencontainers.image.description="API gateway: uploads, jobs, events, downloads" \
      org.opencontainers.image.source="https://github.com/soundextract/sx" \
      org.opencontainers.image.version="$VERSION"
ARG TARGETPLATFORM
COPY $TARGETPLATFORM/gateway /usr/local/bin/gateway
ENV SX_ADDR=:8740
EXPOSE 8740
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/usr/local/bin/gateway", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/gateway"]
