#!/bin/bash
# down.sh FOLDER: undoes up.sh: ends only the processes it started (pid files) and the containers of its own containerd.
# Keeps log/; removes etc/, var/, run/ and the few paths that kubelet, runc and CNI fix elsewhere.
set -uo pipefail
D=$1 CRI=$D/run/containerd/containerd.sock
cd $D || exit 1

alive() { local p; p=$(cat run/$1.pid 2>/dev/null) && [ "$(basename "$(readlink /proc/$p/exe)" 2>/dev/null)" = "$1" ]; }
stop() { # TERM, up to 10 s, KILL
  local s=TERM i; for s in TERM KILL; do
    alive $1 && kill -$s $(cat run/$1.pid)
    for i in $(seq 100); do alive $1 || break; sleep 0.1; done
  done; rm -f run/$1.pid; }

stop kubelet                      # first, or it would restart what follows
if alive containerd; then
  c() { timeout 20 ctr -a $CRI -n k8s.io "$@"; }
  for t in $(c task ls -q); do c task rm -f "$t" >/dev/null; done
  for t in $(c container ls -q); do c container rm "$t"; done
fi
for n in kube-scheduler kube-controller-manager kube-apiserver etcd containerd; do stop $n; done

awk -v d=$D/ 'index($2, d) == 1 {print $2}' /proc/mounts | tac | while read -r m; do umount "$m" || umount -l "$m"; done
ip netns del k8s-lease-lock 2>/dev/null    # its bridge, addresses and nft table go with it
for g in /sys/fs/cgroup/*/kubepods; do [ -d $g ] && find $g -depth -type d -exec rmdir {} +; done
[ -f var/sysctl.before ] && sysctl -q -p var/sysctl.before
find /var/log/containers -lname "$D/*" -delete 2>/dev/null
rm -f /var/lib/kubelet/device-plugins/{DEPRECATION,kubelet.sock,kubelet_internal_checkpoint}
rm -rf --one-file-system etc var run /var/lib/cni/results
find /var/lib/cni /var/lib/kubelet /var/log/containers /run/containerd /usr/libexec/kubernetes -depth -type d -empty -delete 2>/dev/null
exit 0
