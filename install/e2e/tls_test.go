//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/authority"
)

// tlsParts are the parts that have a certificate.
func tlsParts() []string { return append(sx.Services(), "rabbitmq", "mongodb") }

// createCertificates creates the namespace, if it does not exist, and a Secret with a
// certificate for each part, as an operator without cert-manager does.
func (o *operator) createCertificates(a *authority.Authority) {
	o.t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: o.namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if _, err := cluster.Client.CoreV1().Namespaces().Create(o.ctx, namespace, metav1.CreateOptions{}); err != nil {
		o.t.Fatal(err)
	}
	for _, part := range tlsParts() {
		if _, err := cluster.Client.CoreV1().Secrets(o.namespace).Create(o.ctx, o.certificate(a, part), metav1.CreateOptions{}); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *operator) certificate(a *authority.Authority, part string) *corev1.Secret {
	o.t.Helper()
	name := "soundextract-" + part
	files, err := a.Issue(name, fmt.Sprintf("%s.%s.svc", name, o.namespace), "localhost")
	if err != nil {
		o.t.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-tls", Namespace: o.namespace},
		Type:       corev1.SecretTypeTLS, Data: files,
	}
}

// secured creates the namespace with new certificates, and returns the arguments of
// sx install that turn on TLS, and the authority.
func (o *operator) secured() ([]string, *authority.Authority) {
	o.t.Helper()
	issuer, err := authority.New()
	if err != nil {
		o.t.Fatal(err)
	}
	o.createCertificates(issuer)
	return []string{"--set", "global.tls.enabled=true"}, issuer
}

// certificatesReplaced replaces the certificates, which the services must use without a
// restart.
func (o *operator) certificatesReplaced(issuer *authority.Authority) {
	o.t.Helper()
	before := o.podNames()
	for _, part := range tlsParts() {
		if _, err := cluster.Client.CoreV1().Secrets(o.namespace).Update(o.ctx, o.certificate(issuer, part), metav1.UpdateOptions{}); err != nil {
			o.t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(o.secretData("soundextract-gateway-tls", "tls.crt"), o.secretData("soundextract-gateway-tls", "tls.key"))
	if err != nil {
		o.t.Fatal(err)
	}
	o.eventually(o.ctx, "the gateway serves the new certificate", func(context.Context) bool {
		served := o.served("gateway", 8740)
		return served != nil && bytes.Equal(served, pair.Certificate[0])
	})
	if after := o.podNames(); after != before {
		o.t.Errorf("pods were replaced: %s, before %s", after, before)
	}
}

// podNames returns the names of the pods that run, without those that an earlier change
// has replaced and that are about to end.
func (o *operator) podNames() string {
	o.t.Helper()
	pods, err := cluster.Client.CoreV1().Pods(o.namespace).List(o.ctx, metav1.ListOptions{FieldSelector: "status.phase=Running"})
	if err != nil {
		o.t.Fatal(err)
	}
	var names []string
	for _, p := range pods.Items {
		if p.DeletionTimestamp == nil {
			names = append(names, p.Name)
		}
	}
	return fmt.Sprint(names)
}

// served returns the certificate that a part serves, nil if it does not speak TLS.
func (o *operator) served(part string, port int) []byte {
	o.t.Helper()
	address, stop := o.forward(part, port)
	defer stop()
	config := o.tlsConfig(part)
	var seen []byte
	config.VerifyConnection = func(s tls.ConnectionState) error {
		seen = s.PeerCertificates[0].Raw
		return nil
	}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: config}
	conn, err := dialer.DialContext(o.ctx, "tcp", address)
	if err != nil {
		return nil
	}
	_ = conn.Close()
	return seen
}

// tlsConfig is the configuration of a client of a part.
func (o *operator) tlsConfig(part string) *tls.Config {
	o.t.Helper()
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "soundextract-" + part, RootCAs: o.authorities(part)}
}

func (o *operator) authorities(part string) *x509.CertPool {
	o.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(o.secretData("soundextract-"+part+"-tls", "ca.crt"))
	return pool
}

// onlyTLS checks that each part serves its certificate, and that RabbitMQ has neither a
// plaintext port nor a management port that other pods can reach.
func (o *operator) onlyTLS() {
	o.t.Helper()
	for part, port := range map[string]int{"auth": 8741, "gateway": 8740, "converter": 8742, "notifier": 8743, "rabbitmq": 5671, "mongodb": 27017} {
		if o.served(part, port) == nil {
			o.t.Errorf("%s does not speak TLS", part)
		}
	}
	// From another pod, because a port-forward also reaches the loopback interface.
	address := o.pods("rabbitmq")[0].Status.PodIP
	for port, open := range map[int]bool{5671: true, 5672: false, 15672: false} {
		_, err := o.exec("converter", "timeout", "3", "bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%d", address, port))
		if (err == nil) != open {
			o.t.Errorf("RabbitMQ's port %d: %v; want it open: %v", port, err, open)
		}
	}
}
