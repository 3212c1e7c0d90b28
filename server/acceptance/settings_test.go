package acceptance_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// execute runs a program that is expected to exit by itself.
func execute(t *testing.T, env []string, program string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*testkit.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...)
	cmd.Env = env
	cmd.Dir = t.TempDir()
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	_ = cmd.Run() // the exit code has the result
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

func TestInvalidSettings(t *testing.T) {
	t.Parallel()
	programs(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, noKeys := write("empty", "\n"), filepath.Join(dir, "keys")
	if err := os.Mkdir(noKeys, 0o700); err != nil {
		t.Fatal(err)
	}
	write("keys/one.pem", "no key")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	const mongo, amqp = "--mongodb-uri=mongodb://127.0.0.1:1/", "--amqp-uri=amqp://127.0.0.1:1/"
	for _, c := range []struct {
		name    string
		program string
		env     []string
		args    []string
		want    string
	}{
		{"unknown flag", "auth", nil, []string{"--colour"}, "--colour"},
		{"no MongoDB", "auth", nil, nil, "mongodb-uri"},
		{"no MongoDB names the variable", "auth", nil, nil, "SX_MONGODB_URI_FILE"},
		{"no RabbitMQ", "notifier", nil, []string{mongo}, "amqp-uri"},
		{"twice", "auth", []string{"SX_MONGODB_URI_FILE=" + empty}, []string{mongo}, "mongodb-uri-file"},
		{"empty file", "auth", []string{"SX_MONGODB_URI_FILE=" + empty}, nil, "mongodb-uri-file"},
		{"no file", "auth", nil, []string{"--mongodb-uri-file=" + dir + "/absent"}, "mongodb-uri-file"},
		{"malformed MongoDB URI", "auth", []string{"SX_MONGODB_URI=db:27017"}, nil, "mongodb-uri"},
		{"malformed AMQP URI", "notifier", []string{"SX_AMQP_URI=broker"}, []string{mongo}, "amqp-uri"},
		{"database", "auth", nil, []string{mongo, "--mongodb-database=a/b"}, "mongodb-database"},
		{"log level", "auth", []string{"SX_LOG_LEVEL=loud"}, []string{mongo}, "log-level"},
		{"log format", "auth", nil, []string{mongo, "--log-format=xml"}, "log-format"},
		{"address in use", "auth", nil, []string{mongo, "--addr=" + taken.Addr().String()}, "--addr"},
		{"keys", "auth", nil, []string{mongo, "--keys=" + noKeys}, "keys"},
		{"registration", "auth", []string{"SX_REGISTRATION=maybe"}, []string{mongo}, "SX_REGISTRATION"},
		{"administrator", "auth", nil, []string{mongo, "--admin=a b"}, "admin"},
		{"code without administrator", "auth", nil, []string{mongo, "--admin-code=12345678901234567890"}, "admin-code"},
		{"short code", "auth", nil, []string{mongo, "--admin=root", "--admin-code=1234"}, "admin-code"},
		{"provider's address", "auth", nil, []string{mongo, "--oidc-issuer=http://id.example.org", "--oidc-client-id=sx"}, "oidc-issuer"},
		{"client of the provider", "auth", []string{"SX_OIDC_ISSUER=https://id.example.org"}, []string{mongo}, "oidc-client-id"},
		{"rules without provider", "auth", nil, []string{mongo, "--oidc-domains=example.org"}, "oidc-issuer"},
		{"domains", "auth", nil, []string{mongo, "--oidc-issuer=https://id.example.org", "--oidc-client-id=sx", "--oidc-domains=@example.org"}, "oidc-domains"},
		{"no way to sign in", "auth", []string{"SX_PASSWORDS=false"}, []string{mongo}, "passwords"},
		{"auth's URL", "gateway", nil, []string{mongo, amqp, "--auth-url=auth:8741"}, "auth-url"},
		{"notifier's URL", "gateway", nil, []string{mongo, amqp, "--notifier-url=notifier"}, "notifier-url"},
		{"notifier's auth", "notifier", []string{"SX_AUTH_URL=auth:8741"}, []string{mongo, amqp}, "auth-url"},
		{"networks", "notifier", []string{"SX_WEBHOOK_NETWORKS=10.0.0.0"}, []string{mongo, amqp}, "SX_WEBHOOK_NETWORKS"},
		{"mail server", "notifier", nil, []string{mongo, amqp, "--smtp-addr=mail", "--smtp-from=a@example.org"}, "smtp-addr"},
		{"mail security", "notifier", []string{"SX_SMTP_SECURITY=ssl"}, []string{mongo, amqp}, "smtp-security"},
		{"no sender", "notifier", []string{"SX_SMTP_ADDR=mail:25"}, []string{mongo, amqp}, "SX_SMTP_FROM"},
		{"malformed sender", "notifier", nil, []string{mongo, amqp, "--smtp-addr=mail:25", "--smtp-from=me"}, "smtp-from"},
		{"name without password", "notifier", nil, []string{mongo, amqp, "--smtp-addr=mail:25", "--smtp-from=a@example.org", "--smtp-user=a"}, "smtp-user"},
		{"empty password", "notifier", nil, []string{mongo, amqp, "--smtp-password-file=" + empty}, "smtp-password-file"},
		{"quota", "gateway", []string{"SX_QUOTA=lots"}, []string{mongo, amqp}, "SX_QUOTA"},
		{"proxies", "gateway", []string{"SX_TRUSTED_HOPS=-1"}, []string{mongo, amqp}, "trusted-hops"},
		{"conversions", "converter", nil, []string{mongo, amqp, "--conversions=1"}, "conversions"},
		{"encoders", "converter", []string{"SX_ENCODERS=-1"}, []string{mongo, amqp}, "SX_ENCODERS"},
		{"nothing to probe", "auth", nil, []string{"healthcheck", "--addr=127.0.0.1:0"}, "addr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := execute(t, c.env, c.program, append([]string{"--addr=127.0.0.1:0"}, c.args...)...)
			if c.args != nil && c.args[0] == "healthcheck" {
				code, _, stderr = execute(t, c.env, c.program, c.args...)
			}
			if code != 64 || !strings.Contains(stderr, c.want) || !strings.Contains(stderr, "hint") {
				t.Errorf("exit code %d, want 64 and a hint and %s in\n%s", code, c.want, stderr)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	programs(t)
	for _, program := range sx.Services() {
		code, stdout, _ := execute(t, nil, program, "--help")
		if code != 0 || !strings.Contains(stdout, "--mongodb-uri-file") || !strings.Contains(stdout, "healthcheck") {
			t.Errorf("%s --help: exit code %d\n%s", program, code, stdout)
		}
	}
}
