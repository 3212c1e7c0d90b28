package check

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
)

// expiresSoon is how long before its expiry a certificate is reported. cert-manager
// renews one after two thirds of its lifetime: a month before, if that is the usual three
// months.
const expiresSoon = 14 * 24 * time.Hour

// certificates checks the certificates in the Secrets of the release's Ingress and of its
// pods.
func certificates(ctx context.Context, env *Env) error {
	objects, err := env.objects()
	if err != nil {
		return err
	}
	names := objects.tlsSecrets()
	if len(names) == 0 {
		return Skip("", "the release has no certificates")
	}
	var expired, soon []string
	var worst string // the first Secret whose certificate has expired, or else will soon
	for _, name := range names {
		s, err := env.Cluster.Client.CoreV1().Secrets(env.Cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue // another check reports it
		}
		if err != nil {
			return env.accessError(err, "read the secrets")
		}
		end, err := validUntil(s.Data[corev1.TLSCertKey])
		if err != nil {
			return sx.NewError(sx.CodeInvalid, "the secret %s has no usable certificate: %v", name, err).WithHint("%s", env.certificateHint(name))
		}
		text := fmt.Sprintf("the certificate in the secret %s expires at %s", name, end.UTC().Format("2006-01-02 15:04 MST"))
		switch left := time.Until(end); {
		case left <= 0:
			if expired = append(expired, strings.Replace(text, "expires", "expired", 1)); len(expired) == 1 {
				worst = name
			}
		case left < expiresSoon:
			soon, worst = append(soon, text), cmp.Or(worst, name)
		}
	}
	switch {
	case len(expired) > 0:
		return &severityOverride{sx.NewError(sx.CodeUnavailable, "%s", strings.Join(append(expired, soon...), "; ")).WithHint("%s", env.certificateHint(worst)), Fatal}
	case len(soon) > 0:
		return sx.NewError(sx.CodeUnavailable, "%s", strings.Join(soon, "; ")).WithHint("%s", env.certificateHint(worst))
	}
	return nil
}

// certificateHint says how to replace a certificate.
func (env *Env) certificateHint(secret string) string {
	if objects, err := env.objects(); err == nil && objects.has("Certificate") {
		return "cert-manager should have renewed it; see why not with: " + env.Cluster.Kubectl("describe", "certificates,certificaterequests")
	}
	return "store a new certificate in the secret, which is used without a restart; see who issued this one, and for whom, with: " +
		env.Cluster.Kubectl("get", "secret", secret, "-o", `jsonpath={.data.tls\.crt}`) + " | base64 -d | openssl x509 -noout -subject -issuer -dates"
}

// validUntil returns when the first certificate of a chain in PEM expires.
func validUntil(chain []byte) (time.Time, error) {
	block, _ := pem.Decode(chain)
	if block == nil || block.Type != "CERTIFICATE" {
		return time.Time{}, fmt.Errorf("%s contains no PEM certificate", corev1.TLSCertKey)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return c.NotAfter, nil
}
