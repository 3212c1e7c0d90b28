package installer_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/sx"
)

// valuesInBackup returns the values that a backup would have, "" for none.
func (l *fixture) valuesInBackup(t *testing.T) string {
	t.Helper()
	files, err := l.BackupFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Kind == backup.Values {
			return string(f.Data)
		}
	}
	return ""
}

// TestValuesInBackup checks that a backup has the values that worked, as the next install
// keeps them, and not those of an attempt that failed.
func TestValuesInBackup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newFixture(t, nil)
		if _, err := l.Install(t.Context(), options("gateway.logLevel=debug")); err != nil {
			t.Fatal(err)
		}
		l.runner.workload = deployment(0)
		if _, err := l.Install(t.Context(), options("gateway.image.tag=wrong")); err == nil {
			t.Fatal("the second install did not fail")
		}
		if got := l.valuesInBackup(t); !strings.Contains(got, "logLevel: debug") || strings.Contains(got, "wrong") || strings.Contains(got, "revision") {
			t.Errorf("got %s", got)
		}
	})
}

// TestBackupOfAnotherTool checks that an installation without a release has a backup too.
func TestBackupOfAnotherTool(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil, deployment(1),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "soundextract-auth-keys", Namespace: namespace}, Data: map[string][]byte{"0.pem": []byte("key")}})
	files, err := l.BackupFiles(t.Context())
	if err != nil || len(files) != 1 || files[0].Name != "auth-keys/0.pem" {
		t.Errorf("got %v, %v", files, err)
	}
}

// TestRestoreThatFails checks that the services start again if nothing was restored, and
// only then.
func TestRestoreThatFails(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]bool{"nothing stored": false, "something stored": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == api.PathBackupEmpty && !stored:
					w.WriteHeader(http.StatusNoContent)
				case r.URL.Path == api.PathBackupEmpty:
					w.WriteHeader(http.StatusConflict)
				default:
					w.WriteHeader(http.StatusBadRequest)
				}
			}))
			defer pod.Close()
			c, err := client.New(pod.URL, pod.Client())
			if err != nil {
				t.Fatal(err)
			}
			two := int32(2)
			gateway := deployment(1)
			gateway.Spec.Replicas = &two
			l := newFixture(t, nil, gateway)
			_, err = l.RestoreThrough(t.Context(), c, strings.NewReader("no backup"))
			wantCode(t, err, sx.CodeBackupDamaged)
			d, getErr := l.client.AppsV1().Deployments(namespace).Get(t.Context(), "soundextract-gateway", metav1.GetOptions{})
			if getErr != nil {
				t.Fatal(getErr)
			}
			if runs := *d.Spec.Replicas == two; runs == stored {
				t.Errorf("the gateway has %d replicas", *d.Spec.Replicas)
			}
			if told := strings.Contains(sx.AsError(err).Hint, "remain stopped"); told != stored {
				t.Errorf("the hint is %s", sx.AsError(err).Hint)
			}
		})
	}
}
