# The signing keys are mounted at /keys; all replicas need the same keys.
# A release gives the digest that it resolved.
ARG BASE=gcr.io/distroless/static-debian13:nonroot
FROM $BASE
ARG VERSION=dev
LABEL org.opencontainers.image.title="SoundExtract auth" \
      org.opencontainers.image.description="Accounts, sessions and token signing" \
      org.opencontainers.image.source="https://github.com/soundextract/sx" \
      org.opencontainers.image.version="$VERSION"
ARG TARGETPLATFORM
COPY $TARGETPLATFORM/auth /usr/local/bin/auth
ENV SX_ADDR=:8741 SX_KEYS=/keys
EXPOSE 8741
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/usr/local/bin/auth", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/auth"]
