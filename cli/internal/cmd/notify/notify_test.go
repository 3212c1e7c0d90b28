package notify

import (
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

func TestEmailFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdEmail, emailOptions{Address: "ada@example.org", JSON: true}, "ada@example.org", "--json")
	clitest.CheckFlags(t, newCmdEmail, emailOptions{Remove: true}, "--remove")
	for _, args := range [][]string{{}, {"a", "b"}, {"a", "--remove"}} {
		if err := clitest.Run(t, newCmdEmail(clitest.Factory(), nil), args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestOtherFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, newCmdConfirm, confirmOptions{Code: "12345678", JSON: true}, "12345678", "--json")
	clitest.CheckFlags(t, newCmdAdd, webhookOptions{Webhook: "https://example.org/", JSON: true}, "https://example.org/", "--json")
	clitest.CheckFlags(t, newCmdRemove, webhookOptions{Webhook: "w1"}, "w1")
	clitest.CheckFlags(t, newCmdList, webhookOptions{JSON: true}, "--json")
	clitest.CheckFlags(t, newCmdDeliveries, deliveriesOptions{JSON: true, Page: cmdutil.Page{Limit: 5, After: "c"}}, "--limit", "5", "--after", "c", "--json")
	clitest.CheckFlags(t, newCmdReplay, replayOptions{IDs: []string{"d1", "d2"}, JSON: true}, "d1", "d2", "--json")
	clitest.CheckFlags(t, newCmdReplay, replayOptions{Failed: true}, "--failed")
	for name, err := range map[string]error{
		"replay of nothing": clitest.Run(t, newCmdReplay(clitest.Factory(), nil)),
		"replay of both":    clitest.Run(t, newCmdReplay(clitest.Factory(), nil), "d1", "--failed"),
		"no code":           clitest.Run(t, newCmdConfirm(clitest.Factory(), nil)), "no URL": clitest.Run(t, newCmdAdd(clitest.Factory(), nil)),
		"no id": clitest.Run(t, newCmdRemove(clitest.Factory(), nil)), "a name": clitest.Run(t, newCmdList(clitest.Factory(), nil), "x"),
		"limit 0": clitest.Run(t, newCmdDeliveries(clitest.Factory(), nil), "--limit", "0"), "all and a limit": clitest.Run(t, newCmdDeliveries(clitest.Factory(), nil), "--all", "--limit", "5"),
		"test of x": clitest.Run(t, newCmdTest(clitest.Factory(), nil), "x"),
	} {
		if cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknownSubcommands(t *testing.T) {
	t.Parallel()
	if err := clitest.Run(t, NewCmd(clitest.Factory()), "emial"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "notify email") {
		t.Errorf("got %v", err)
	}
	if err := clitest.Run(t, NewCmd(clitest.Factory()), "webhook", "ad"); cmdutil.ErrorCode(err) != sx.CodeUsage || !strings.Contains(sx.AsError(err).Hint, "webhook add") {
		t.Errorf("got %v", err)
	}
}

func TestTerminalOutput(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	got := describe(api.Notify{Webhooks: []api.Webhook{{ID: "w1", URL: "https://example.org/", Disabled: &now}}, PendingEmail: "ada@example.org"})
	want := "email     none (this server does not send e-mail)\n  new     ada@example.org (not confirmed)\n" +
		"webhook   https://example.org/ (disabled: the receiver responded 410 Gone)\n  id      w1\n"
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
	want = "EVENT     TO            STATE    AGE  DETAILS\n" +
		"job.done  example.org/  pending  1m   answered 500, redirects are …; retry in 5m\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}
