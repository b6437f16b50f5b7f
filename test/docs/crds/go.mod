module k8s-lease-lock.test/crds

go 1.26.0

require (
	github.com/argoproj/argo-cd/v3 v3.2.0
	github.com/argoproj/argo-workflows/v4 v4.0.5
	github.com/fluxcd/kustomize-controller v1.7.3
	github.com/prometheus-operator/prometheus-operator v0.85.0
	github.com/tektoncd/pipeline v1.6.0
)
