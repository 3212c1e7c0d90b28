package jq_test

import (
	"testing"

	"github.com/soundextract/sx/cli/internal/jq"
	"github.com/soundextract/sx/server/sx"
)

func TestApply(t *testing.T) {
	t.Setenv("TEST_JQ", "of the environment")
	const value = `{"id":"abc","size":9007199254740993,"tracks":[{"n":1},{"n":2}],"html":"<b>"}`
	for _, tt := range []struct{ expression, want string }{
		{".id", "abc\n"},
		{".size", "9007199254740993\n"},
		{".tracks[].n", "1\n2\n"},
		{".tracks[] | select(.n > 1)", "{\"n\":2}\n"},
		{"[.html]", "[\"<b>\"]\n"},
		{`.tracks | length`, "2\n"},
		{"empty", ""},
		{".none", "null\n"},
		{"env.TEST_JQ", "of the environment\n"},
		{"1, halt, 2", "1\n"},
	} {
		f, err := jq.Compile(tt.expression)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Apply([]byte(value)); err != nil || string(got) != tt.want {
			t.Errorf("%s: got %q, %v; want %q", tt.expression, got, err, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{".[", "nosuchfunction", ""} {
		if _, err := jq.Compile(expression); expression != "" && sx.CodeOf(err) != sx.CodeUsage {
			t.Errorf("%q: got %v", expression, err)
		}
	}
	f, err := jq.Compile(".id[]")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Apply([]byte(`{"id":1}`)); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("got %v", err)
	}
}
