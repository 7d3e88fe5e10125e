# The base images of Flask services: nginx, uWSGI, Flask and the launcher.
#
#   target         runs as             port  PID 1                for
#   unprivileged   www-data (uid 33)   8080  the launcher         new services; the default
#   root           root                80    the launcher         services that need port 80, or that move over by
#                                                                 changing the FROM line
#   platform       root                80    that of BASE_IMAGE   bases whose supervisord starts the launcher
#
#   docker build -t microservice-flask .
#   docker build -t microservice-flask:root --target root .
#   docker build -t my-base --target platform --build-arg BASE_IMAGE=my-python .
#
# A base is pinned by its digest: --build-arg BASE_IMAGE=NAME@sha256:…; scripts/pin-bases prints these options, and
# docs/images.md has the rest. As root, the launcher runs nginx and the application as users that are not.
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
# What the binary was made from, for scripts/sbom: only cargo knows which crates of Cargo.lock these were.
RUN mkdir about \
    && cp Cargo.lock about \
    && cargo tree --locked --edges normal,build --no-dedupe --prefix none --format '{p}|{l}' | sort -u \
        >about/crates-at-build \
    && cargo tree --locked --edges normal,no-proc-macro --no-dedupe --prefix none --format '{p}|{l}' | sort -u \
        >about/crates-in-binary


# In one layer, because what a later layer removes stays in the image.
FROM ${BASE_IMAGE} AS installed
COPY deploy/image/dpkg.cfg /etc/dpkg/dpkg.cfg.d/microservice-flask
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        nginx \
        python3-flask \
        uwsgi-core \
        uwsgi-plugin-python3 \
    # Debian's nginx has no user of its own. The application's www-data must not be able to look into it.
    && { id nginx >/dev/null 2>&1 \
        || useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin nginx; } \
    # The launcher uses neither folder, and www-data could write to one.
    && rm -rf /var/log/nginx /var/lib/nginx \
    # The number in USER below, which Kubernetes can tell from root's, has to be that of the name.
    && [ "$(id -u www-data):$(id -g www-data)" = 33:33 ] \
    # No file of the image gives its caller another user's rights.
    && find / -xdev -perm /6000 -exec chmod a-s {} + \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/cache/debconf/*-old \
        /var/lib/dpkg/*-old /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- \
        /var/log/apt /var/log/*.log /var/log/lastlog /var/log/faillog

COPY --from=build /build/target/release/microservice-flask /usr/local/bin/
COPY --from=build /build/about /usr/share/microservice-flask
COPY deploy/platform/supervisor.conf /etc/supervisor/conf.d/microservice-flask.conf
COPY deploy/platform/health-checks /opt/microservice_flask/health-checks

# By the platform's convention the configuration is in /opt/NAME/config.
ENV CONFIG_DIR=config


FROM installed AS platform
EXPOSE 80


FROM installed AS launcher
STOPSIGNAL SIGTERM
# Exit code 1 is a warning and does not make the container unhealthy.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 \
    CMD microservice-flask healthcheck || [ $? -eq 1 ]
ENTRYPOINT ["microservice-flask"]
CMD ["run"]


FROM launcher AS root
EXPOSE 80


# The last target is the one that `docker build` makes unless told otherwise.
FROM launcher AS unprivileged
RUN install -d -o www-data -g www-data -m 0700 /run/microservice-flask
ENV MICROSERVICE_LISTEN=8080
EXPOSE 8080
# A number, because the kubelet cannot tell from a name that it is not root (runAsNonRoot).
USER 33:33
