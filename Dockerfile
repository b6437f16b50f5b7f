# The guard as one executable that runs in any image: built here, copied from here by "k8s-lease-lock install" (docs/image.md).
FROM node:24-bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils patchelf \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# Where packages come through a proxy with a certificate of its own, that and its npmrc are given as secrets.
RUN --mount=type=secret,id=ca --mount=type=secret,id=npmrc \
    if [ -e /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    if [ -e /run/secrets/npmrc ]; then export NPM_CONFIG_USERCONFIG=/run/secrets/npmrc; fi; \
    npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json build.mjs LICENSE ./
COPY src src
COPY image image
COPY action action
RUN node build.mjs --only cli && sh image/executable/pack.sh /out

FROM scratch
LABEL org.opencontainers.image.title="k8s-lease-lock" \
      org.opencontainers.image.description="Runs a command under a lock of a Kubernetes cluster: a guard for Jobs, CronJobs and Pods" \
      org.opencontainers.image.source="https://github.com/nullplatform/k8s-lease-lock" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /out/ /
USER 65532:65532
ENTRYPOINT ["/lease-lock/k8s-lease-lock"]
