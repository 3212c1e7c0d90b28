package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func commands() *cobra.Command {
	run := func(*cobra.Command, []string) {}
	sx := &cobra.Command{Use: "sx", Short: "Get sound", Run: run}
	get := &cobra.Command{
		Use: "get FILE", Short: "Get one", Run: run,
		Long:    "Get one file's sound -- fast.\nIt is 'free'.\n\n  column  a\\b\n.dot",
		Example: "  sx get a.mp4",
	}
	get.Flags().StringP("output", "o", "", "where to, a `FILE`")
	get.Flags().Int("secret", 0, "nothing")
	_ = get.Flags().MarkHidden("secret")
	get.AddCommand(&cobra.Command{Use: "all", Short: "Get all", Run: run})
	sx.PersistentFlags().String("server", "", "the server's `URL`")
	sx.AddCommand(get, &cobra.Command{Use: "codes", Short: "What codes mean", Long: "codes:\n\n  1  one"},
		&cobra.Command{Use: "hidden", Hidden: true, Run: run})
	return sx
}

func TestWrite(t *testing.T) {
	t.Parallel()
	get, _, err := commands().Find([]string{"get"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := writePage(&b, get, pageHeader{Version: "1.2.3", Date: when}); err != nil {
		t.Fatal(err)
	}
	want := `.TH "SX\-GET" 1 "2026\-01\-02" "sx 1.2.3" SoundExtract
.SH NAME
sx\-get \- Get one
.SH SYNOPSIS
.B sx get FILE [flags]
.SH DESCRIPTION
Get one file\(aqs sound \-\- fast.
It is \(aqfree\(aq.
.PP
.nf
  column  a\eb
\&.dot
.fi
.SH COMMANDS
.TP
.BR sx\-get\-all (1)
Get all
.SH OPTIONS
.TP
.B \-h, \-\-help
help for get
.TP
.B \-o, \-\-output FILE
where to, a FILE
.SH OPTIONS OF ALL COMMANDS
.TP
.B \-\-server URL
the server\(aqs URL
.SH EXAMPLES
.nf
  sx get a.mp4
.fi
.SH SEE ALSO
sx(1)
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestEachPage(t *testing.T) {
	t.Parallel()
	var names []string
	topic := &bytes.Buffer{}
	err := eachPage(commands(), func(cmd *cobra.Command) error {
		names = append(names, pageName(cmd))
		if cmd.Name() == "codes" {
			return writePage(topic, cmd, pageHeader{})
		}
		return nil
	})
	if want := []string{"sx", "sx-codes", "sx-get", "sx-get-all"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %v, %v; want %v", names, err, want)
	}
	if strings.Contains(topic.String(), "OPTIONS") || strings.Contains(topic.String(), "SYNOPSIS") {
		t.Errorf("a topic takes no options:\n%s", topic)
	}
}
