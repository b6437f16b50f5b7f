#!/bin/bash
# images.sh FOLDER: builds the guard's image from the Dockerfile, and the images that the tests guard, as OCI archives FOLDER/*.tar: with buildah, without
# daemon or registry. The Dockerfile's base is stood in for by one made here, under the same name: Debian and the Node of node_modules.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
folder=$1
mkdir -p "$folder/making"
buildah=(buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs)
trap '"${buildah[@]}" rmi -a -f >/dev/null 2>&1 || true; rm -rf "$folder/making"' EXIT

# build NAME CONTEXT [OPTIONS...]
build() {
  local name=$1 context=$2
  shift 2
  "${buildah[@]}" bud -q --isolation chroot --pull-never --timestamp 0 "$@" -t "$name" "$context" >/dev/null
}
# save NAME FILE: by a rename, so that what is there is whole
save() {
  rm -f "$folder/$2.new"
  "${buildah[@]}" push -q "$1" "oci-archive:$folder/$2.new:$1"
  mv "$folder/$2.new" "$folder/$2"
}

# The base: Debian 12 with Node and npm where the official image has them. Kept beside the folder, since it changes with Node alone.
base=$(dirname "$folder")/base-$(node --version).tar.gz
if [ ! -f "$base" ]; then
  debootstrap --variant=minbase --include=ca-certificates bookworm "$folder/making/base" >"$folder/debootstrap.log" 2>&1
  install -m 755 "$(node -p process.execPath)" "$folder/making/base/usr/local/bin/node"
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  mkdir -p "$folder/making/base/usr/local/lib/node_modules"
  cp -r "$npm" "$folder/making/base/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$folder/making/base/usr/local/bin/npm"
  rm -rf "$folder"/making/base/var/cache/apt/archives/*.deb "$folder"/making/base/usr/share/{doc,man,locale}
  tar -C "$folder/making/base" -czf "$base.$$" .
  mv "$base.$$" "$base"
fi
mkdir -p "$folder/making/context"
ln -f "$base" "$folder/making/context/base.tar.gz"
printf 'FROM scratch\nADD base.tar.gz /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n' >"$folder/making/context/Dockerfile"
build docker.io/library/node:24-bookworm-slim "$folder/making/context"
save docker.io/library/node:24-bookworm-slim debian.tar

secrets=(--secret "id=ca,src=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}")
npmrc=$(npm config get userconfig)
[ -f "$npmrc" ] && secrets+=(--secret "id=npmrc,src=$npmrc")
build k8s-lease-lock.test/guard:1 "$root" "${secrets[@]}"
save k8s-lease-lock.test/guard:1 guard.tar

# What is guarded: one program, alone and static in one image, in the other on musl, whose loader and library are one file.
mkdir -p "$folder"/making/{scratch,musl}
gcc -static -Os -s "$here/work.c" -o "$folder/making/scratch/work"
printf 'FROM scratch\nCOPY work /work\nENTRYPOINT ["/work"]\n' >"$folder/making/scratch/Dockerfile"
build k8s-lease-lock.test/scratch:1 "$folder/making/scratch"
save k8s-lease-lock.test/scratch:1 scratch.tar
musl-gcc -Os -s "$here/work.c" -o "$folder/making/musl/work"
loader=$(readelf -l "$folder/making/musl/work" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
cp -L "$loader" "$folder/making/musl/loader"
printf 'FROM scratch\nCOPY work /work\nCOPY loader %s\nENTRYPOINT ["/work"]\n' "$loader" >"$folder/making/musl/Dockerfile"
build k8s-lease-lock.test/musl:1 "$folder/making/musl"
save k8s-lease-lock.test/musl:1 musl.tar

mkdir -p "$folder/making/pause"
gcc -static -Os -s "$here/pause.c" -o "$folder/making/pause/pause"
printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$folder/making/pause/Dockerfile"
build k8s-lease-lock.test/pause:1 "$folder/making/pause"
save k8s-lease-lock.test/pause:1 pause.tar
