package gateway_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/soundextract/sx/server/api"
)

var loadDocument = sync.OnceValues(func() (*openapi3.T, error) {
	return openapi3.NewLoader().LoadFromData(api.OpenAPI)
})

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// documented checks every response that passes through it against the document.
func documented(t *testing.T, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	router, err := gorillamux.NewRouter(document(t))
	if err != nil {
		t.Fatal(err)
	}
	return checker{t, router, next}
}

type checker struct {
	t      *testing.T
	router routers.Router
	next   http.RoundTripper
}

func (c checker) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	// The document's server is "/".
	plain := req.Clone(req.Context())
	plain.URL = &url.URL{Path: req.URL.Path, RawQuery: req.URL.RawQuery}
	plain.Host = ""
	route, params, err := c.router.FindRoute(plain)
	if err != nil {
		if req.Method != http.MethodHead && res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
			c.t.Errorf("%s %s returns %d and is not in the document: %v", req.Method, req.URL.Path, res.StatusCode, err)
		}
		return res, nil
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: plain, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if mime := res.Header.Get("Content-Type"); strings.HasPrefix(mime, "application/json") {
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			return nil, err
		}
		_ = res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(raw))
		input.SetBodyBytes(raw)
	} else {
		input.Options.ExcludeResponseBody = true // a stream, a track or no body
	}
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		c.t.Errorf("%s %s: the response is not as documented: %v", req.Method, req.URL.Path, err)
	}
	return res, nil
}

func TestRoutesAreDocumented(t *testing.T) {
	t.Parallel()
	var want []string
	for _, r := range newFixture(t, nil).gw.Routes() {
		want = append(want, r.Method+" "+strings.TrimSuffix(r.Pattern, "{$}"))
	}
	// The routes that the program serves besides the gateway's, and the HEAD of
	// a GET route that the document lists separately.
	want = append(want, "GET "+api.PathHealth, "GET "+api.PathReady, "GET "+api.PathMetrics, "HEAD "+api.PathTrack)
	var got []string
	for path, item := range document(t).Paths.Map() {
		for method := range item.Operations() {
			got = append(got, method+" "+path)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("documented:\n%s\nserved:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	a := f.do("", http.MethodGet, api.PathOpenAPI, nil).want(t, http.StatusOK)
	if !bytes.Equal(a.body, api.OpenAPI) || a.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("got %s with %d bytes", a.header.Get("Content-Type"), len(a.body))
	}
}
