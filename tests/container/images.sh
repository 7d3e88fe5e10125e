# shellcheck shell=bash
# Sourced by tests/container/run: builds the images, and tests what is in them.

build_images() {
    local begin base target
    while read -r base; do
        podman image exists "$base" || timeout 300 podman pull -q "$base" >/dev/null ||
            fail "cannot pull $base; without a registry scripts/image-standins makes a stand-in"
    done < <(sed -n 's/^ARG [A-Z]*_IMAGE=//p' Dockerfile)
    for target in "${TARGETS[@]}"; do
        begin=$(now)
        # Only Docker's image format has HEALTHCHECK and STOPSIGNAL.
        within 1500 podman build --format docker --target "$target" -t "$IMAGE:$target" .
        say "ok      $IMAGE:$target built in $(seconds "$begin") s"
    done
    within 900 podman build --format docker -t "$IMAGE" .
    expect "unprivileged is what a build makes unless told otherwise" \
        "$(inspect "$IMAGE" '{{.Id}}')" "$(inspect "$IMAGE:unprivileged" '{{.Id}}')"
    for target in unprivileged root; do
        within 120 podman build --format docker --from "$IMAGE:$target" -t "$EXAMPLES:$target" example-rum-counter
        say "ok      $EXAMPLES:$target built"
    done
}

# inspect IMAGE FORMAT
inspect() { podman image inspect -f "$2" "$1"; }

# in_image TARGET COMMAND...: runs a command in the image as its root, without a network.
in_image() {
    local target=$1
    shift
    timeout 60 podman run --rm --network none --user 0 --no-healthcheck --entrypoint '["sh", "-c"]' "$IMAGE:$target" "$*"
}

images_have_users_and_ports() {
    local target
    expect "the default image's user is a number, which the kubelet can verify" \
        "$(inspect "$IMAGE:unprivileged" '{{.Config.User}}')" 33:33
    expect "and is the application's" "$(in_image unprivileged id -un 33)" www-data
    expect "it exposes port 8080 alone" \
        "$(inspect "$IMAGE:unprivileged" '{{range $port, $_ := .Config.ExposedPorts}}{{$port}} {{end}}')" '8080/tcp '
    for target in root platform; do
        expect "$target has root" "$(inspect "$IMAGE:$target" '{{.Config.User}}')" ''
        expect "$target exposes port 80 alone" \
            "$(inspect "$IMAGE:$target" '{{range $port, $_ := .Config.ExposedPorts}}{{$port}} {{end}}')" '80/tcp '
    done
    for target in unprivileged root; do
        expect "$target stops by SIGTERM" "$(inspect "$IMAGE:$target" '{{.Config.StopSignal}}')" SIGTERM
        expect_match "$target has a health check" "$(inspect "$IMAGE:$target" '{{.HealthCheck.Test}}')" \
            'microservice-flask healthcheck'
        expect "$target starts the launcher" "$(inspect "$IMAGE:$target" '{{.Config.Entrypoint}}')" '[microservice-flask]'
    done
    expect "platform leaves PID 1 to its base" "$(inspect "$IMAGE:platform" '{{.Config.Entrypoint}}')" '[]'
}

images_have_nothing_to_spare() {
    local target base size
    base=$(inspect "$(sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile)" '{{.Size}}')
    for target in "${TARGETS[@]}"; do
        say "--- what is in $target"
        size=$(($(inspect "$IMAGE:$target" '{{.Size}}') - base))
        ((size < 130000000)) || fail "$target adds $((size / 1000000)) MB to its base; expected less than 130"
        say "ok      it adds $((size / 1000000)) MB to its base's $((base / 1000000))"
        expect "no setuid or setgid files" "$(in_image "$target" 'find / -xdev -perm /6000')" ''
        # shellcheck disable=SC2016 # For Python, in the image.
        expect "no file has capabilities" "$(in_image "$target" 'find / -xdev -type f -print0 | python3 -c "
import os, sys
for name in sys.stdin.buffer.read().split(b\"\\0\")[:-1]:
    if \"security.capability\" in os.listxattr(name): print(name)"')" ''
        expect "no compiler, and no package manager but Debian's" "$(in_image "$target" \
            'for name in cc gcc g++ clang as ld rustc cargo make cmake pip pip3 npm git; do command -v "$name"; done; true')" ''
        expect "no caches and logs of the build" "$(in_image "$target" \
            'find /var/lib/apt/lists /var/cache/apt /var/log /var/cache/debconf/*-old /var/lib/dpkg/*-old /root/.c* \
                -type f ! -empty 2>/dev/null; true')" ''
        expect "one plugin of uWSGI" "$(in_image "$target" 'find /usr/lib/uwsgi -type f | sed s/python3.*_plugin/python3_plugin/')" \
            /usr/lib/uwsgi/plugins/python3_plugin.so
        expect_match "nginx has a user without shell and home" "$(in_image "$target" 'grep ^nginx: /etc/passwd')" \
            '^nginx:x:[1-9][0-9]*:[1-9][0-9]*::/nonexistent:/usr/sbin/nologin$'
        # The runtime folder is of one target; the others are everybody's.
        expect "the application's user can write to temporary folders alone" "$(in_image "$target" \
            'find / -xdev ! -type l \( -user www-data -o -group www-data -o -user nginx -o -perm -0002 \) |
                grep -vxE "/(tmp|var/tmp|run/lock|run/microservice-flask)"; true')" ''
    done
}

has_sbom_and_provenance() {
    local tools sbom=$PODMAN_SCRATCH/sbom.json provenance=$PODMAN_SCRATCH/provenance.json
    local -a pins
    say "--- SBOM and provenance"
    tools=$(. scripts/lib.sh && supply_tools)
    scripts/sbom "$IMAGE:unprivileged" >"$sbom" || fail "scripts/sbom"
    "$tools/python" tests/supply/schema.py "$sbom" || fail "the SBOM is no CycloneDX document"
    expect "the SBOM is the same a second time" "$(scripts/sbom "$IMAGE:unprivileged" | sha256sum)" "$(sha256sum <"$sbom")"
    expect "it lists as many Debian packages as dpkg" "$(grep -c '"purl": "pkg:deb/' "$sbom")" \
        "$(in_image unprivileged 'dpkg-query -W -f "\${db:Status-Status}\n" | grep -cx installed')"
    expect "it lists the crates that are in the binary" "$(grep -c '"scope": "required"' "$sbom")" \
        "$(in_image unprivileged 'wc -l </usr/share/microservice-flask/crates-in-binary')"
    expect_match "and the launcher's hash" "$(<"$sbom")" \
        "$(in_image unprivileged 'sha256sum </usr/local/bin/microservice-flask' | cut -d ' ' -f 1)"
    scripts/pin-bases >"$PODMAN_SCRATCH/bases" || fail "scripts/pin-bases"
    expect "both bases can be pinned" \
        "$(grep -cE '^--build-arg (BASE|RUST)_IMAGE=[^ ]+@sha256:[0-9a-f]{64}$' "$PODMAN_SCRATCH/bases")" 2
    read -r -d '' -a pins <"$PODMAN_SCRATCH/bases" || true # It reads to the end of the file, which it reports as a failure.
    scripts/provenance --engine podman --image "$IMAGE:unprivileged" --target unprivileged \
        --commit "$(git rev-parse HEAD)" --sbom "$sbom" --started then --finished later \
        -- podman build "${pins[@]}" . >"$provenance" || fail "scripts/provenance"
    expect_match "the provenance names the image" "$(<"$provenance")" "$(inspect "$IMAGE:unprivileged" '{{.Id}}')"
    expect_match "and the SBOM" "$(<"$provenance")" "$(sha256sum <"$sbom" | cut -d ' ' -f 1)"
}
