# The base image of Flask services: nginx, uWSGI, Flask and the launcher.
#
#   docker build -t microservice-flask .                       the launcher is PID 1
#   docker build -t my-base --target platform \
#       --build-arg BASE_IMAGE=my-python .                     supervisord of my-python starts it
#
# Uses only instructions that podman 4.3 and docker 20.10 without BuildKit support.
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim
ARG RUST_IMAGE=docker.io/library/rust:1-bookworm


FROM ${RUST_IMAGE} AS build
WORKDIR /build

# Builds the dependencies in a layer of their own: they rarely change and take most of the build time.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && echo 'fn main() {}' >src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src

COPY . .
# Cargo compares modification times, and those of the copied files may be older than the build above.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked


FROM ${BASE_IMAGE} AS platform
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        nginx-light \
        python3-flask \
        uwsgi-core \
        uwsgi-plugin-python3 \
    && rm -rf /var/lib/apt/lists/*

COPY --from=build /build/target/release/microservice-flask /usr/local/bin/
COPY deploy/platform/supervisor.conf /etc/supervisor/conf.d/microservice-flask.conf
COPY deploy/platform/health-checks /opt/microservice_flask/health-checks

# By the platform's convention the configuration is in /opt/NAME/config.
ENV CONFIG_DIR=config
EXPOSE 80


FROM platform
STOPSIGNAL SIGTERM
# Exit code 1 is a warning and does not make the container unhealthy.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 \
    CMD microservice-flask healthcheck || [ $? -eq 1 ]
ENTRYPOINT ["microservice-flask"]
CMD ["run"]
