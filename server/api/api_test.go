package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDocumentListsAllCodesAndStates(t *testing.T) {
	t.Parallel()
	schemas := document(t).Components.Schemas
	var codes, warnings, states []any
	for _, c := range sx.Codes() {
		codes = append(codes, string(c))
	}
	for _, c := range sx.WarningCodes() {
		warnings = append(warnings, c)
	}
	for _, s := range sx.States() {
		states = append(states, string(s))
	}
	for name, want := range map[string][]any{"Code": codes, "WarningCode": warnings, "State": states} {
		if got := schemas[name].Value.Enum; !slices.Equal(got, want) {
			lacks, extra := difference(want, got), difference(got, want)
			t.Errorf("openapi.yaml: the enumeration of %s lacks %v, has %v too many, and must have the order of package sx", name, lacks, extra)
		}
	}
}

// difference returns the elements of a that are not in b.
func difference(a, b []any) []any {
	return slices.DeleteFunc(slices.Clone(a), func(e any) bool { return slices.Contains(b, e) })
}

func TestDocumentKnowsTheLimits(t *testing.T) {
	t.Parallel()
	doc := document(t)
	for _, p := range doc.Paths.Value(api.PathJobs).Get.Parameters {
		schema := p.Value.Schema.Value
		switch p.Value.Name {
		case api.QueryLimit:
			if *schema.Max != api.MaxLimit || schema.Default != float64(api.DefaultLimit) {
				t.Errorf("limit up to %v, %v without one", *schema.Max, schema.Default)
			}
		case api.QueryID:
			if *schema.MaxItems != api.MaxIDs {
				t.Errorf("up to %d ids", *schema.MaxItems)
			}
		}
	}
	password := doc.Components.Schemas["Credentials"].Value.Properties["password"].Value
	if password.MinLength != api.MinPassword || *password.MaxLength != api.MaxPassword {
		t.Errorf("passwords of %d to %d", password.MinLength, *password.MaxLength)
	}
}

func TestStatusesHaveACode(t *testing.T) {
	t.Parallel()
	for status := 400; status < 600; status++ {
		code := api.CodeOfStatus(status)
		if !slices.Contains(sx.Codes(), code) {
			t.Errorf("the status %d has the code %q", status, code)
		}
		if code.Permanent() && code.Status() != status {
			t.Errorf("the status %d is mapped to %s, which is not recoverable", status, code)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{sx.NewError(sx.CodeUnavailable, "no store"), "2"},
		{sx.NewError(sx.CodeTooManyAttempts, "too many").WithRetryAfter(1500 * time.Millisecond), "2"},
		{fmt.Errorf("upload: %w", sx.NewError(sx.CodeUnavailable, "later").WithRetryAfter(time.Minute)), "60"},
		{sx.NewError(sx.CodeNotFound, "no job"), ""},
	} {
		rec := httptest.NewRecorder()
		api.WriteError(rec, tt.err)
		if got := rec.Header().Get("Retry-After"); got != tt.want {
			t.Errorf("%v: Retry-After is %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestErrorsHideTheirCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial mongodb://user:secret@db")
	tests := []struct {
		name string
		err  error
		code sx.Code
	}{
		{"unknown error", fmt.Errorf("list jobs: %w", cause), sx.CodeInternal},
		{"known error with a cause", sx.NewError(sx.CodeUnavailable, "the store is unavailable").WithCause(cause), sx.CodeUnavailable},
		{"known error inside", fmt.Errorf("secret: %w", sx.NewError(sx.CodeNotFound, "job x not found")), sx.CodeNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := httptest.NewRecorder()
			api.WriteError(rec, tt.err)
			if rec.Code != tt.code.Status() || rec.Header().Get("Content-Type") != "application/json" {
				t.Errorf("answered %d %v", rec.Code, rec.Header())
			}
			if body := rec.Body.String(); strings.Contains(body, "secret") || !strings.Contains(body, `"code":"`+string(tt.code)+`"`) {
				t.Errorf("answered %s", body)
			}
			e := api.FromError(tt.err)
			if back := e.ToError(); back.Code != e.Code || back.Message != e.Message || back.Hint != e.Hint {
				t.Errorf("%+v came back as %+v", e, back)
			}
		})
	}
}

// TestWrite checks that names are sent as they are: escaped, a page of jobs could have six
// times its length.
func TestWrite(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	api.Write(w, http.StatusOK, api.Track{Name: "<&>"})
	if got := w.Body.String(); !strings.Contains(got, `"<&>"`) {
		t.Errorf("sent %s", got)
	}
}
