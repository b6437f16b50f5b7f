// A command under client-go's own leader election, as the benchmark's peer: it runs once it leads, by the durations that Kubernetes' own
// components use, and leadership is released when it has ended. Usage: elected-run KUBECONFIG NAMESPACE LEASE COMMAND [ARGUMENT...]
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := context.WithCancel(context.Background())
	code := 1
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: os.Args[2], Name: os.Args[3]},
			Client:     kubernetes.NewForConfigOrDie(config).CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: fmt.Sprint(os.Getpid())},
		},
		LeaseDuration:   15 * time.Second,
		RenewDeadline:   10 * time.Second,
		RetryPeriod:     2 * time.Second,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {
				command := exec.Command(os.Args[4], os.Args[5:]...)
				command.Stdout, command.Stderr = os.Stdout, os.Stderr
				if err := command.Run(); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
				code = command.ProcessState.ExitCode()
				stop()
			},
			OnStoppedLeading: func() {},
		},
	})
	os.Exit(code)
}
