package notify

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// try runs a command and reports whether it was typed well.
func try(t *testing.T, cmd *cobra.Command, args ...string) error {
	t.Helper()
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(t.Context())
}

func newFactory() *cmdutil.Factory {
	streams, _, _ := term.Test("")
	return &cmdutil.Factory{IO: streams}
}

func TestEmailFlags(t *testing.T) {
	t.Parallel()
	var got emailOptions
	command := func() *cobra.Command {
		return newCmdEmail(newFactory(), func(_ context.Context, o *emailOptions) error { got = *o; return nil })
	}
	if err := try(t, command(), "ada@example.org", "--json"); err != nil || got.Address != "ada@example.org" || got.Remove || !got.JSON {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := try(t, command(), "--remove"); err != nil || got.Address != "" || !got.Remove {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, args := range [][]string{{}, {"a", "b"}, {"a", "--remove"}} {
		if err := try(t, command(), args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestOtherFlags(t *testing.T) {
	t.Parallel()
	var confirmed confirmOptions
	confirm := newCmdConfirm(newFactory(), func(_ context.Context, o *confirmOptions) error { confirmed = *o; return nil })
	if err := try(t, confirm, "12345678", "--json"); err != nil || confirmed.Code != "12345678" || !confirmed.JSON {
		t.Errorf("got %+v, %v", confirmed, err)
	}
	var hook webhookOptions
	keep := func(_ context.Context, o *webhookOptions) error { hook = *o; return nil }
	if err := try(t, newCmdAdd(newFactory(), keep), "https://example.org/", "--json"); err != nil || hook.Webhook != "https://example.org/" || !hook.JSON {
		t.Errorf("got %+v, %v", hook, err)
	}
	if err := try(t, newCmdRemove(newFactory(), keep), "w1"); err != nil || hook.Webhook != "w1" || hook.JSON {
		t.Errorf("got %+v, %v", hook, err)
	}
	if err := try(t, newCmdList(newFactory(), keep), "--json"); err != nil || !hook.JSON {
		t.Errorf("got %+v, %v", hook, err)
	}
	var listed deliveriesOptions
	list := func() *cobra.Command {
		return newCmdDeliveries(newFactory(), func(_ context.Context, o *deliveriesOptions) error { listed = *o; return nil })
	}
	if err := try(t, list(), "--limit", "5", "--json"); err != nil || listed.Limit != 5 || !listed.JSON {
		t.Errorf("got %+v, %v", listed, err)
	}
	for name, err := range map[string]error{
		"no code": try(t, newCmdConfirm(newFactory(), nil)), "no URL": try(t, newCmdAdd(newFactory(), keep)),
		"no id": try(t, newCmdRemove(newFactory(), keep)), "a name": try(t, newCmdList(newFactory(), keep), "x"),
		"limit 0": try(t, list(), "--limit", "0"), "limit 501": try(t, list(), "--limit", "501"),
		"test of x": try(t, newCmdTest(newFactory(), nil), "x"),
	} {
		if cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWordsThatAreNoCommand(t *testing.T) {
	t.Parallel()
	if err := try(t, NewCmd(newFactory()), "emial"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "notify email") {
		t.Errorf("got %v", err)
	}
	if err := try(t, NewCmd(newFactory()), "webhook", "ad"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "webhook add") {
		t.Errorf("got %v", err)
	}
}

func TestWhatPeopleSee(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	got := describe(api.Notify{Webhooks: []api.Webhook{{ID: "w1", URL: "https://example.org/", Disabled: &now}}, PendingEmail: "ada@example.org"})
	want := "email     none (this server does not send e-mail)\n  new     ada@example.org (not confirmed)\n" +
		"webhook   https://example.org/ (disabled: the receiver answered 410 Gone)\n  id      w1\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	streams, out, _ := term.Test("")
	streams.OutTTY = true
	next := now.Add(5 * time.Minute)
	if err := printDeliveries(streams, []api.Delivery{{
		Event: sx.EventDone, Channel: sx.ChannelWebhook, Target: "https://example.org/", State: sx.DeliveryPending,
		Created: now.Add(-time.Minute), NextTry: &next, LastError: "answered 500, redirects are not followed",
	}}, now); err != nil {
		t.Fatal(err)
	}
	want = "EVENT     TO        STATE    AGE  DETAILS\n" +
		"job.done  examp…g/  pending  1m   answered 500, redirects are no…ed; retry in 5m\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}
