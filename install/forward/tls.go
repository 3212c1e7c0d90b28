package forward

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// annotationSecret is the annotation of a Service with the Secret of its certificate.
const annotationSecret = "soundextract.io/tls-secret"

// TLS returns the configuration of a connection to the pods of a Service; nil if they do
// not serve TLS. The certificate must be for the Service's name, from an authority in
// ca.crt of the Secret that the Service names.
func TLS(ctx context.Context, cluster *kube.Cluster, service *corev1.Service) (*tls.Config, error) {
	if len(service.Spec.Ports) == 0 || service.Spec.Ports[0].AppProtocol == nil || *service.Spec.Ports[0].AppProtocol != "https" {
		return nil, nil //nolint:nilnil // no TLS is not an error
	}
	name := service.Annotations[annotationSecret]
	secret, err := cluster.Client.CoreV1().Secrets(cluster.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, cluster.WrapError(fmt.Errorf("read the certificate authority in the Secret %s: %w", name, err))
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: service.Name, RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		return nil, sx.NewError(sx.CodeUnavailable, "ca.crt of the Secret %s contains no certificate", name).
			WithHint("store the certificate authority of %s in it", service.Name)
	}
	return config, nil
}
