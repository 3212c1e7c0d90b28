package httpserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/sx"
)

// TestDecodeManyValues decodes bodies of the same length, of which one has so many values
// that they would need much more memory than the body.
func TestDecodeManyValues(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	for _, tt := range []struct {
		value string
		want  sx.Code
	}{
		{`{}`, sx.CodeInvalid},
		{fmt.Sprintf(`{"name":"%s"}`, strings.Repeat("{},", 50)), ""}, // in a text, those are no values
	} {
		n := size/(len(tt.value)+1) - 10
		body := `{"items":[` + strings.Repeat(tt.value+",", n-1) + tt.value + `]}`
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		var in struct {
			Items []struct {
				Name string `json:"name"`
			} `json:"items"`
		}
		err := httpserver.DecodeUpTo(size, httptest.NewRecorder(), r, &in)
		if code := sx.CodeOf(err); err != nil && code != tt.want || err == nil && (tt.want != "" || len(in.Items) != n) {
			t.Errorf("%d values of %d bytes: error %v, %d items", n, len(tt.value), err, len(in.Items))
		}
	}
}
