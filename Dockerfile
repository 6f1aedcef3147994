# syntax=docker/dockerfile:1

# The image of every process: `docker build --tag octet:local .`, then for example
# `docker run --rm octet:local service service-e`. Keep RUST equal to rust-toolchain.toml.
ARG RUST=1.95.0
ARG NODE=24

# The page, which the program embeds.
FROM node:${NODE}-bookworm-slim AS ui
WORKDIR /src/ui
COPY ui/package.json ui/package-lock.json ui/.npmrc ./
RUN npm ci --ignore-scripts
COPY ui .
RUN npm run build

FROM rust:${RUST}-slim-bookworm AS build
ARG RUST
# The image's own toolchain, without components that only checks need.
ENV RUSTUP_TOOLCHAIN=${RUST}
WORKDIR /src
COPY . .
COPY --from=ui /src/ui/dist ui/dist
# For `octet --version`; the context has no .git.
ARG REVISION=unknown
# Cache mounts exist only during this step, so it copies the program out of the target directory.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    OCTET_COMMIT="${REVISION}" cargo build --release --locked --package octet --features lake \
    && install -m 0755 target/release/octet /usr/local/bin/octet

# glibc, libgcc and the certificate authorities; no shell, and no root.
FROM gcr.io/distroless/cc-debian12:nonroot
# Set by the release workflow.
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="octet" \
      org.opencontainers.image.description="A gRPC microservice mesh to show, test and load" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /usr/local/bin/octet /usr/local/bin/octet
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# The gateway and its admin server; a service and its admin server.
EXPOSE 8080 9000 50051 9001
ENTRYPOINT ["/usr/local/bin/octet"]
CMD ["--help"]
