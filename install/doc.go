// Package install puts SoundExtract into a Kubernetes cluster and looks after it there.
package install
