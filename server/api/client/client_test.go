package client_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/soundextract/sx/server/api/client"
)

// TestEscapedID checks that an ID with special characters arrives unchanged, also below
// the path of a server that is not at the root.
func TestEscapedID(t *testing.T) {
	t.Parallel()
	const id = "a/b c%2F?#é"
	got := ""
	mux := http.NewServeMux()
	mux.HandleFunc("DELETE /behind/a proxy/v1/jobs/{id}", func(w http.ResponseWriter, r *http.Request) {
		got = r.PathValue("id")
		w.WriteHeader(http.StatusNoContent)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL+"/behind/a%20proxy", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got != id {
		t.Errorf("the server got the ID %q, want %q", got, id)
	}
}
