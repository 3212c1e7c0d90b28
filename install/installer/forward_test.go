package installer_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"      //nolint:staticcheck // client-go has its types in the signatures of its port-forward
	"k8s.io/apimachinery/pkg/util/httpstream/spdy" //nolint:staticcheck // client-go has its types in the signatures of its port-forward
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"

	"github.com/soundextract/sx/install/forward"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/authority"
)

func forwardPod(name string, ready corev1.ConditionStatus) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "music"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8740}}}}},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

// podServer has a service with the pods, and forwards ports over SPDY as API
// servers before 1.31 do: a pod sends its name, the port and the bytes that it
// received. The pod broken refuses connections.
func podServer(t *testing.T, status int, pods ...corev1.Pod) *kube.Cluster {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, isForward := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/music/pods/"), "/portforward")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case isForward && strings.HasPrefix(strings.ToLower(r.Header.Get("Upgrade")), "spdy"):
			w.Header().Del("Content-Type")
			servePod(w, r, name)
		case isForward:
			w.WriteHeader(http.StatusBadRequest)
		case status != http.StatusOK:
			w.WriteHeader(status)
			reason := map[int]metav1.StatusReason{http.StatusNotFound: metav1.StatusReasonNotFound, http.StatusForbidden: metav1.StatusReasonForbidden}[status]
			_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: reason, Code: int32(status)})
		case strings.HasSuffix(r.URL.Path, "/services/gateway"):
			_ = json.NewEncoder(w).Encode(corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}}}})
		default:
			_ = json.NewEncoder(w).Encode(corev1.PodList{Items: pods})
		}
	}))
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &kube.Cluster{Target: kube.Target{Context: "lab", Namespace: "music"}, Config: config, Client: client}
}

func servePod(w http.ResponseWriter, r *http.Request, pod string) {
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream, 2)
	tunnel := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error { streams <- s; return nil })
	if tunnel == nil {
		return
	}
	defer func() { _ = tunnel.Close() }()
	failures, data := <-streams, <-streams
	if pod == "broken" {
		_, _ = io.WriteString(failures, "connection refused in the pod")
		_ = failures.Close()
		<-tunnel.CloseChan()
		return
	}
	got := make([]byte, 5)
	_, _ = io.ReadFull(data, got)
	_, _ = fmt.Fprintf(data, "%s:%s %s", pod, data.Headers().Get(corev1.PortHeader), got)
	_ = failures.Close()
	_ = data.Close()
	<-tunnel.CloseChan()
}

// TestConnection checks that bytes reach the port of a ready pod.
func TestForward(t *testing.T) {
	t.Parallel()
	cluster := podServer(t, http.StatusOK, forwardPod("starting", corev1.ConditionFalse), forwardPod("well", corev1.ConditionTrue))
	conn, err := forward.To(cluster, "soundextract", "gateway").DialContext(t.Context(), "tcp", "whatever:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "well:8740 hello" || conn.RemoteAddr().String() != "well:8740" {
		t.Errorf("got %q, %v, from %s", got, err, conn.RemoteAddr())
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// TestBroken checks that the error includes the reason why the pod does not
// respond.
func TestForwardBroken(t *testing.T) {
	t.Parallel()
	conn, err := forward.To(podServer(t, http.StatusOK, forwardPod("broken", corev1.ConditionTrue)), "soundextract", "gateway").DialContext(t.Context(), "tcp", "x")
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(conn)
	if sx.CodeOf(err) != sx.CodeUnavailable || !strings.Contains(err.Error(), "connection refused in the pod") {
		t.Errorf("got %v", err)
	}
}

func TestForwardWithoutReadyPod(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		pods   []corev1.Pod
		code   sx.Code
		says   string
	}{
		{http.StatusNotFound, nil, sx.CodeUnavailable, "service gateway not found"},
		{http.StatusForbidden, nil, sx.CodeForbidden, "permission denied"},
		{http.StatusOK, nil, sx.CodeUnavailable, "no pod of gateway is ready"},
		{http.StatusOK, []corev1.Pod{forwardPod("starting", corev1.ConditionFalse)}, sx.CodeUnavailable, "no pod of gateway is ready"},
	} {
		_, err := forward.To(podServer(t, tt.status, tt.pods...), "soundextract", "gateway").DialContext(t.Context(), "tcp", "x")
		var known *sx.Error
		if !errors.As(err, &known) || known.Code != tt.code || !strings.Contains(known.Message, tt.says) || known.Hint == "" {
			t.Errorf("%d: got %v", tt.status, err)
		}
	}
}

// TestForwardTLS checks what the certificate of a Service is verified against.
func TestForwardTLS(t *testing.T) {
	t.Parallel()
	issuer, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	files, err := issuer.Issue("sx-gateway")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(files["tls.crt"], files["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	https := "https"
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "sx-gateway", Annotations: map[string]string{"soundextract.io/tls-secret": "edge"}},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8740, AppProtocol: &https}}},
	}
	cluster := func(ca []byte) *kube.Cluster {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "edge", Namespace: "music"}, Data: map[string][]byte{"ca.crt": ca}}
		return &kube.Cluster{Target: kube.Target{Namespace: "music"}, Client: fake.NewClientset(secret)}
	}
	connect := func(config *tls.Config) error {
		conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	config, err := forward.TLS(t.Context(), cluster(files["ca.crt"]), service)
	if err != nil || config == nil {
		t.Fatalf("got %v, %v", config, err)
	}
	if err := connect(config); err != nil {
		t.Errorf("its certificate was not accepted: %v", err)
	}
	service.Name = "other-gateway"
	if config, err = forward.TLS(t.Context(), cluster(files["ca.crt"]), service); err != nil || connect(config) == nil {
		t.Errorf("a certificate for another name was accepted: %v", err)
	}
	other, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	strange, err := other.Issue("sx-gateway")
	if err != nil {
		t.Fatal(err)
	}
	service.Name = "sx-gateway"
	if config, err = forward.TLS(t.Context(), cluster(strange["ca.crt"]), service); err != nil || connect(config) == nil {
		t.Errorf("a certificate of another authority was accepted: %v", err)
	}
	if _, err := forward.TLS(t.Context(), cluster(nil), service); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("without an authority: %v", err)
	}
	service.Spec.Ports[0].AppProtocol = nil
	if config, err := forward.TLS(t.Context(), cluster(nil), service); config != nil || err != nil {
		t.Errorf("without TLS: %v, %v", config, err)
	}
}
