#!/bin/sh
# pack.sh OUT: makes of the bundle one executable with the libraries and the loader that it needs, under OUT/lease-lock, for the one path
# /lease-lock at which it works in any image. Order matters: strip, then inject, then patchelf; any other gives a dead binary.
set -eu
node=$(node -p process.execPath)
interpreter=$(patchelf --print-interpreter "$node")
home=$1/lease-lock
mkdir -p build "$home/lib"

node image/executable/sea.mjs
node --experimental-sea-config build/sea.json
cp "$node" "$home/lib/guard"
strip "$home/lib/guard"
node_modules/.bin/postject "$home/lib/guard" NODE_SEA_BLOB build/sea.blob --sentinel-fuse NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2

ldd "$home/lib/guard" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' | while read -r library; do cp -L "$library" "$home/lib/"; done
cp -L "$interpreter" "$home/lib/"
# The workload's image may preload libraries of its own into every program: our loader looks at a path that can't be there.
sed -i 's#/etc/ld\.so\.preload#/etc/ld.so.nothing#g' "$home/lib/${interpreter##*/}"
patchelf --set-interpreter "/lease-lock/lib/${interpreter##*/}" --force-rpath --set-rpath /lease-lock/lib "$home/lib/guard"
patchelf --no-default-lib "$home/lib/guard"
gcc -static -Os -s -Wall -Wextra -Werror image/executable/launcher.c -o "$home/k8s-lease-lock"

# What it is made of, for those who have to know.
npm sbom --omit dev --sbom-format spdx --package-lock-only >"$home/sbom.spdx.json"
cp LICENSE "$home/LICENSE"
cp dist/cli/licenses.txt "$home/licenses.txt"
