package installer

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/server/sx"
)

// Administrator is the account that administers an installation, and the code with which
// it is created.
type Administrator struct{ Name, Code string }

// annotationCreated is the annotation of the administrator's Secret once its code has been
// used.
const annotationCreated = "soundextract.io/account-created"

// Administrator returns the administrator's account if it may still have to be created.
// It returns nil if there is none (auth.admin) or AdministratorCreated was called.
func (in *Installer) Administrator(ctx context.Context) (*Administrator, error) {
	last, err := in.Runner.Last(ctx)
	if err != nil {
		return nil, err
	}
	name := defaultAdmin
	if last != nil {
		if auth, ok := last.Values["auth"].(map[string]any); ok {
			if set, ok := auth["admin"].(string); ok {
				name = set
			}
		}
	}
	if name == "" {
		return nil, nil
	}
	secret, err := in.Cluster.Client.CoreV1().Secrets(in.Cluster.Namespace).Get(ctx, in.AdministratorSecret(), metav1.GetOptions{})
	if err != nil {
		return nil, in.Cluster.WrapError(err)
	}
	if secret.Annotations[annotationCreated] != "" {
		return nil, nil
	}
	stored, err := sx.UserName(name)
	if err != nil {
		return nil, err
	}
	return &Administrator{Name: stored, Code: string(secret.Data["code"])}, nil
}

// defaultAdmin is auth.admin of the chart.
const defaultAdmin = "admin"

// AdministratorSecret is the name of the Secret with the code, in the key code.
func (in *Installer) AdministratorSecret() string { return in.secrets().Name(secrets.Admin) }

// AdministratorCreated records that the account exists.
func (in *Installer) AdministratorCreated(ctx context.Context) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotationCreated: "true"}}})
	if err != nil {
		return fmt.Errorf("encode the annotation: %w", err)
	}
	_, err = in.Cluster.Client.CoreV1().Secrets(in.Cluster.Namespace).
		Patch(ctx, in.AdministratorSecret(), types.MergePatchType, patch, metav1.PatchOptions{})
	return in.Cluster.WrapError(err)
}
