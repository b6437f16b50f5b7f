#!/bin/sh
# pack.sh OUT: makes of the bundle one executable with the libraries and the loader that it needs, under OUT/lease-lock, for the one path
# /lease-lock at which it works in any image.
set -eu
node=$(node -p process.execPath)
interpreter=$(patchelf --print-interpreter "$node")
home=$1/lease-lock
mkdir -p "$home/lib"

node image/executable/sea.mjs "$node" "$home/lib/guard"
ldd "$home/lib/guard" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' | while read -r library; do cp -L "$library" "$home/lib/"; done
cp -L "$interpreter" "$home/lib/"
# The workload's image may preload libraries of its own into every program: our loader looks at a path that can't be there.
sed -i 's#/etc/ld\.so\.preload#/etc/ld.so.nothing#g' "$home/lib/${interpreter##*/}"
# After the blob is in.
patchelf --set-interpreter "/lease-lock/lib/${interpreter##*/}" --force-rpath --set-rpath /lease-lock/lib "$home/lib/guard"
patchelf --no-default-lib "$home/lib/guard"
cp "src/guard/supervisor/bin/linux-$(node -p process.arch)" "$home/k8s-lease-lock"

# What it is made of, for those who have to know.
node image/executable/sbom.mjs >"$home/sbom.spdx.json"
cp LICENSE "$home/LICENSE"
cp dist/cli/licenses.txt "$home/licenses.txt"
