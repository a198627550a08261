# syntax=docker/dockerfile:1
# A small image without shell or root: the binary, libc, certificates and time zones.

FROM rust:1.95-slim-trixie AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock broker.toml evcc.example.yaml ./
COPY src src
# The manifest names a test and a bench; the image needs neither, and their changes build nothing anew.
RUN mkdir -p tests/it benches/budgets /data && touch tests/it/main.rs benches/budgets/main.rs
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin chargebus && cp target/release/chargebus /chargebus

FROM gcr.io/distroless/cc-debian13:nonroot
COPY --from=build /chargebus /usr/local/bin/chargebus
# A volume that is mounted here for the first time takes over this owner (nonroot).
COPY --from=build --chown=65532:65532 /data /data
ENV EVCC_DATABASE_DSN=/data/chargebus.db
VOLUME /data
USER 65532:65532
# Web page, REST and WebSocket; the embedded broker.
EXPOSE 7070 1883
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["chargebus", "health"]
ENTRYPOINT ["chargebus"]
CMD ["run", "-c", "/etc/evcc.yaml"]
