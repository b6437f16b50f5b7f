#!/bin/bash
# up.sh FOLDER BINARIES ARCHIVE...: a one-node Kubernetes in FOLDER and in a network namespace of its own, with the images of these OCI archives.
# BINARIES is a folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and kubectl. Run again, it starts what is
# not alive. down.sh takes it all away. Root; needs containerd, runc, the CNI plugins, nftables, iproute2, openssl and curl.
set -euo pipefail
all=("$@")
D=$1 BIN=$2
shift 2
IP=10.244.0.1 SVC=10.96.0.0/24 SVCIP=10.96.0.1 NODE=node1
API=https://$IP:16443 CRI=$D/run/containerd/containerd.sock
export KUBECONFIG=$D/etc/admin.kubeconfig

# The whole node lives in a network namespace of its own. `nsenter` and not `ip netns exec`, which would hide the cgroup mounts.
# Whoever talks to it does the same: nsenter --net=/run/netns/k8s-lease-lock kubectl …
NS=/run/netns/k8s-lease-lock
[ -e $NS ] || { ip netns add k8s-lease-lock; nsenter --net=$NS ip link set lo up; }
[ "$(readlink /proc/self/ns/net)" = "$(nsenter --net=$NS readlink /proc/self/ns/net)" ] || exec nsenter --net=$NS "$0" "${all[@]}"
mkdir -p $D/{etc/cni,run,log,var} && cd $D

alive() { local p; p=$(cat run/$1.pid 2>/dev/null) && [ "$(basename "$(readlink /proc/$p/exe)" 2>/dev/null)" = "$1" ]; }
start() { local n=$1; shift; alive $n || { setsid "$@" >>log/$n.log 2>&1 </dev/null & echo $! >run/$n.pid; }; }
until_ok() { local what=$1; shift; for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
  echo "up.sh: $what not ready after 60 s, see $D/log" >&2; exit 1; }

# --- network: a bridge that carries the API server's address, and one DNAT rule in place of kube-proxy.
# Pods get only a route to the service network: no ip_forward, no masquerade, no way out.
ip link show knode0 >/dev/null 2>&1 || { ip link add knode0 type bridge; ip addr add $IP/24 dev knode0; ip link set knode0 up; }
nft -f - <<E
table ip knode
delete table ip knode
table ip knode {
  chain pre { type nat hook prerouting priority dstnat; ip daddr $SVCIP tcp dport 443 dnat to $IP:16443; }
  chain out { type nat hook output priority -100; ip daddr $SVCIP tcp dport 443 dnat to $IP:16443; }
}
E
[ -f etc/cni/10-knode.conflist ] || cat >etc/cni/10-knode.conflist <<E
{"cniVersion": "1.0.0", "name": "knode", "plugins": [{"type": "bridge", "bridge": "knode0", "isGateway": false,
  "ipam": {"type": "host-local", "dataDir": "$D/var/cni", "routes": [{"dst": "$SVC"}],
    "ranges": [[{"subnet": "10.244.0.0/24", "rangeStart": "10.244.0.10", "rangeEnd": "10.244.0.250", "gateway": "$IP"}]]}}]}
E

# --- keys, tokens, kubeconfigs (made once)
[ -f etc/sa.key ] || openssl genrsa -out etc/sa.key 2048 2>/dev/null
# the API server's client certificate to the kubelet; it is its own CA
[ -f etc/kc.crt ] || openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=kube-apiserver -keyout etc/kc.key -out etc/kc.crt 2>/dev/null
if [ ! -f etc/tokens.csv ]; then
  while read -r file user group; do
    t=$(openssl rand -hex 16)
    echo "$t,$user,$user${group:+,$group}" >>etc/tokens.tmp
    cat >etc/$file.kubeconfig <<E
{"apiVersion": "v1", "kind": "Config", "current-context": "c",
 "clusters": [{"name": "c", "cluster": {"server": "$API", "certificate-authority": "$D/etc/certs/apiserver.crt"}}],
 "users": [{"name": "u", "user": {"token": "$t"}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}
E
  done <<E
admin admin system:masters
kcm system:kube-controller-manager
scheduler system:kube-scheduler
kubelet system:node:$NODE system:nodes
E
  mv etc/tokens.tmp etc/tokens.csv
fi

# --- container runtime
cat >etc/containerd.toml <<E
version = 2
root = "$D/var/containerd"
state = "$D/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.restart", "io.containerd.internal.v1.tracing", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "$CRI"
[plugins."io.containerd.internal.v1.opt"]
  path = "$D/var/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "k8s-lease-lock.test/pause:1"
  restrict_oom_score_adj = true            # no CAP_SYS_RESOURCE here: without this no sandbox starts (the pause container's -998)
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$D/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = "$D/run/runc"
E
start containerd containerd -c etc/containerd.toml

# --- control plane
start etcd $BIN/etcd --data-dir var/etcd --unsafe-no-fsync --listen-client-urls http://127.0.0.1:12379 \
  --advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380
start kube-apiserver $BIN/kube-apiserver --etcd-servers http://127.0.0.1:12379 --cert-dir etc/certs \
  --bind-address $IP --advertise-address $IP --secure-port 16443 --service-cluster-ip-range $SVC --allow-privileged \
  --service-account-issuer https://kubernetes.default.svc --service-account-key-file etc/sa.key --service-account-signing-key-file etc/sa.key \
  --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --token-auth-file etc/tokens.csv \
  --kubelet-client-certificate etc/kc.crt --kubelet-client-key etc/kc.key --kubelet-preferred-address-types InternalIP

until_ok containerd ctr -a $CRI version
for t in "$@"; do ctr -a $CRI -n k8s.io images import "$t" >>log/import.log; done
until_ok kube-apiserver curl -sfk $API/readyz

start kube-controller-manager $BIN/kube-controller-manager --kubeconfig etc/kcm.kubeconfig --leader-elect=false \
  --bind-address 127.0.0.1 --secure-port 11257 --use-service-account-credentials --kube-api-qps 500 --kube-api-burst 500 \
  --service-account-private-key-file etc/sa.key --root-ca-file etc/certs/apiserver.crt  # leaf + its CA: becomes kube-root-ca.crt
start kube-scheduler $BIN/kube-scheduler --kubeconfig etc/scheduler.kubeconfig --leader-elect=false --bind-address 127.0.0.1 --secure-port 11259

# --- node
cat >etc/kubelet.yaml <<E
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $IP
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $D/etc/kc.crt}}
authorization: {mode: AlwaysAllow}       # of the one client certificate
containerRuntimeEndpoint: unix://$CRI
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
resolvConf: ""
makeIPTablesUtilChains: false            # else it adds KUBE-* chains to the host
podLogsDir: $D/var/podlogs
volumePluginDir: $D/var/volumeplugins
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100         # never collect the images that were imported
E
# the kubelet sets these four; down.sh puts them back
[ -f var/sysctl.before ] || sysctl kernel.panic kernel.panic_on_oops vm.overcommit_memory vm.panic_on_oom >var/sysctl.before
start kubelet $BIN/kubelet --config etc/kubelet.yaml --kubeconfig etc/kubelet.kubeconfig --root-dir $D/var/kubelet --cert-dir $D/var/kubelet/pki \
  --hostname-override $NODE --node-ip $IP

until_ok "default service account" $BIN/kubectl -n default get serviceaccount/default configmap/kube-root-ca.crt
until_ok node $BIN/kubectl get node $NODE
$BIN/kubectl wait --for=condition=Ready node/$NODE --timeout=60s
