package standalone_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/tracing/otlp"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// receiver is an OTLP receiver that keeps the spans.
type receiver struct {
	mu    sync.Mutex
	spans []*spans.Span
	about map[string]string // the attributes of the resource
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(raw, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, a := range resource.GetResource().GetAttributes() {
			c.about[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// fromTrace adds a parent to each request, as sx does.
type fromTrace struct {
	base  http.RoundTripper
	trace string
}

func (t fromTrace) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Traceparent", "00-"+t.trace+"-b7ad6b7169203331-01")
	return t.base.RoundTrip(r)
}

// mailbox is the session of a mail server that passes on what it receives.
type mailbox struct{ received chan string }

func (mailbox) Mail(string, *smtp.MailOptions) error { return nil }
func (mailbox) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (mailbox) Reset()                               {}
func (mailbox) Logout() error                        { return nil }

func (m mailbox) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	m.received <- string(content)
	return err
}

// serveMail starts a mail server.
func serveMail(t *testing.T) (addr string, received chan string) {
	t.Helper()
	received = make(chan string, 10)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return mailbox{received}, nil }))
	server.Domain = "localhost"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return listener.Addr().String(), received
}

// TestTrace checks that the spans of an upload, its messages, the conversion with the phases
// of ffmpeg, and the notification by e-mail arrive at an OTLP receiver as one trace, that of
// the client, and that the log has its ID.
func TestTrace(t *testing.T) {
	testkit.Need(t, "ffmpeg")
	received := &receiver{about: map[string]string{}}
	endpoint := httptest.NewServer(received)
	defer endpoint.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	stopTracing, err := otlp.Start(t.Context(), "all", "instance", slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	logs := &testkit.LogBuffer{}
	cfg := config(t.TempDir(), "127.0.0.1:0")
	if cfg.Log, err = httpserver.NewLogger(logs, "info", "json"); err != nil {
		t.Fatal(err)
	}
	addr, mails := serveMail(t)
	cfg.Notify.Mail = notifier.Mail{Addr: addr, Security: notifier.SMTPNone, From: "noreply@example.org"}
	url, stop := run(t, cfg)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	c, err := client.New(url, &http.Client{Transport: fromTrace{client.Bearer{Token: ownerToken(t, cfg.Data)}, trace}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetEmail(t.Context(), api.Email{Address: "ada@example.org"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ConfirmEmail(t.Context(), api.EmailCode{Code: regexp.MustCompile(`\b[0-9]{8}\b`).FindString(<-mails)}); err != nil {
		t.Fatal(err)
	}
	clip := t.TempDir() + "/clip.wav"
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", clip).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	video, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	uploads := tus.Client{API: c}
	id, err := uploads.Create(t.Context(), int64(len(video)), map[string]string{api.MetaFilename: "clip.wav"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uploads.Send(t.Context(), id, 0, bytes.NewReader(video), int64(len(video)), nil); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the conversion and its notification", func() bool {
		j, err := c.Job(context.WithoutCancel(t.Context()), id)
		return err == nil && j.State == sx.StateDone && len(mails) > 0
	})
	stop()
	stopTracing()

	received.mu.Lock()
	defer received.mu.Unlock()
	byID := map[string]*spans.Span{}
	names := map[string]*spans.Span{}
	for _, s := range received.spans {
		if hex.EncodeToString(s.GetTraceId()) == trace {
			byID[string(s.GetSpanId())], names[s.GetName()] = s, s
		}
	}
	for name, parent := range map[string]string{
		"PATCH /v1/uploads/{id}": "", "publish convert": "PATCH /v1/uploads/{id}", "process convert": "publish convert",
		"convert": "PATCH /v1/uploads/{id}", "probe": "convert", "encode": "convert", "decode": "encode", "store MP3": "convert",
		"publish notify": "convert", "process notify": "publish notify", "deliver email": "process notify",
	} {
		s := names[name]
		if s == nil {
			t.Errorf("no span %q", name)
			continue
		}
		if p := byID[string(s.GetParentSpanId())]; parent != "" && (p == nil || p.GetName() != parent) {
			t.Errorf("the parent of %q is %v, not %q", name, p, parent)
		}
	}
	if s := names["publish convert"]; s != nil {
		var keys []string
		for _, a := range s.GetAttributes() {
			keys = append(keys, a.GetKey())
		}
		for _, want := range []string{"messaging.operation.name", "messaging.operation.type", "messaging.destination.name", "messaging.message.conversation_id"} {
			if !slices.Contains(keys, want) {
				t.Errorf("the span of the message lacks %s", want)
			}
		}
		if s.GetKind() != spans.Span_SPAN_KIND_PRODUCER || names["process convert"].GetKind() != spans.Span_SPAN_KIND_CONSUMER {
			t.Error("the spans of the message are of other kinds")
		}
	}
	if about := received.about; about["service.name"] != "all" || about["service.namespace"] != "soundextract" || about["deployment.environment.name"] != "test" {
		t.Errorf("the resource is %v", about)
	}
	for line := range strings.Lines(logs.String()) {
		if strings.Contains(line, `"conversion done"`) && (!strings.Contains(line, trace) || !strings.Contains(line, id)) {
			t.Errorf("the log line lacks the IDs of the trace and the job: %s", line)
		}
	}
}

// TestOnlyServicesHaveTheSDK checks that only the services' programs contain the SDK: sx and
// sxd, and so their archives, do not.
func TestOnlyServicesHaveTheSDK(t *testing.T) {
	t.Parallel()
	programs := map[string]bool{"../../cmd/sxd": false, "../../../cli/cmd/sx": false}
	for _, service := range sx.Services() {
		programs["../../cmd/"+service] = true
	}
	for program, want := range programs {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
		cmd.Dir = program // of another module
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := strings.Contains(string(out), "go.opentelemetry.io/otel/sdk"); got != want {
			t.Errorf("%s contains the SDK: %v, want %v", program, got, want)
		}
	}
}
