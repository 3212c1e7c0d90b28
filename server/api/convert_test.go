package api_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestJobOnTheWire pins the JSON of a job: lists are never null or absent.
func TestJobOnTheWire(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	empty := sx.Job{ID: "a", State: sx.StateUploading, Sent: sx.Sent{Name: "a.mp4", Size: 8}, Created: at, Updated: at}
	full := empty
	full.State, full.Attempt, full.Progress = sx.StateDone, 1, 100
	quality := 0
	full.Options = sx.Options{
		Preset: sx.PresetHigh, Bitrate: 320, Quality: &quality, Mono: true, Track: "eng", KeepAllTags: true,
		Start: 1.5, End: 90, Loudness: "-18", SplitChapters: true, SplitEvery: 60, Title: "t", Artist: "b", Album: "c",
	}
	full.Sent.SHA256, full.Sent.AudioOnly = "11", true
	full.Sources = []sx.Source{{Name: "b.mp4", Size: 9, SHA256: "22", Identity: "audio1", Sent: 4}}
	full.Tracks = []sx.Track{{Number: 1, ID: "a-1", Name: "a.mp3", Size: 5, SHA256: "33", Duration: 1500 * time.Millisecond, Title: "t", Artist: "b", Album: "c"}}
	full.Labels = []string{"x"}
	full.Warnings = []sx.Warning{{Code: "c", Message: "m"}}
	for _, tt := range []struct {
		job  sx.Job
		want string
	}{
		{empty, `{"id":"a","name":"a.mp4","state":"uploading","progress":25,"attempt":0,` +
			`"created":"2026-01-02T03:04:05Z","updated":"2026-01-02T03:04:05Z",` +
			`"options":{"preset":"standard"},"sent":{"name":"a.mp4","size":8,"audio_only":false},"sources":[],"tracks":[],"labels":[],"warnings":[]}`},
		{full, `{"id":"a","name":"a.mp4","state":"done","progress":100,"attempt":1,` +
			`"created":"2026-01-02T03:04:05Z","updated":"2026-01-02T03:04:05Z",` +
			`"options":{"preset":"high","bitrate":320,"quality":0,"mono":true,"track":"eng","keep_all_tags":true,"start":1.5,"end":90,"loudness":"-18","split_chapters":true,"split_every":60,` +
			`"title":"t","artist":"b","album":"c"},` +
			`"sent":{"name":"a.mp4","size":8,"sha256":"11","audio_only":true},` +
			`"sources":[{"name":"b.mp4","size":9,"sha256":"22","identity":"audio1","sent":4}],` +
			`"tracks":[{"number":1,"name":"a.mp3","size":5,"sha256":"33","duration":1.5,"title":"t","artist":"b","album":"c"}],` +
			`"labels":["x"],"warnings":[{"code":"c","message":"m"}]}`},
	} {
		raw, err := json.Marshal(api.FromJob(tt.job, 2))
		if err != nil || string(raw) != tt.want {
			t.Errorf("got  %s, %v\nwant %s", raw, err, tt.want)
		}
	}
}

// TestConversionsAreComplete checks that every field of a record that is not
// listed as private has an effect on what is sent, and that private ones have none.
func TestConversionsAreComplete(t *testing.T) {
	t.Parallel()
	t.Run("job", func(t *testing.T) {
		t.Parallel()
		checkConversion(t, testkit.Filled[sx.Job](t), func(j sx.Job) api.Job { return api.FromJob(j, 0).WithHistory(j) },
			"Owner", "Tracks.ID", "Reserved", "Failures", "LeaseExpirations", "Worker", "Lease", "NotBefore", "Check", "Announced", "Notification", "Error.RetryAfter", "Attempts.Error.RetryAfter", "Trace", "Shares.Hash", "Rev")
	})
	t.Run("user", func(t *testing.T) {
		t.Parallel()
		checkConversion(t, testkit.Filled[sx.User](t), api.FromUser, "PasswordHash", "Epoch", "Reset.Hash", "Reset.Expires", "Invitation", "Binding", "GroupAdminUntil", "Networks.Prefix", "Networks.Seen", "Rev")
	})
	t.Run("personal token", func(t *testing.T) {
		t.Parallel()
		checkConversion(t, testkit.Filled[sx.PersonalToken](t), api.FromToken, "UserID", "Hash")
	})
	t.Run("webhook", func(t *testing.T) {
		t.Parallel()
		checkConversion(t, testkit.Filled[sx.Webhook](t), api.FromWebhook, "Secret")
	})
	t.Run("delivery", func(t *testing.T) {
		t.Parallel()
		pending := testkit.Filled[sx.Delivery](t)
		pending.State = sx.DeliveryPending // Due is sent only then
		checkConversion(t, pending, api.FromDelivery, "UserID", "WebhookID", "Payload", "Trace", "Rev")
	})
}

// checkConversion changes each field of v, one after the other.
func checkConversion[V, W any](t *testing.T, v V, convert func(V) W, private ...string) {
	t.Helper()
	before := convert(v)
	seen := map[string]bool{}
	eachField(t, reflect.ValueOf(&v).Elem(), "", func(path string, field reflect.Value) {
		old := reflect.New(field.Type()).Elem()
		old.Set(field)
		alter(t, path, field)
		sent := !reflect.DeepEqual(before, convert(v))
		field.Set(old)
		seen[path] = true
		switch {
		case !sent && !slices.Contains(private, path):
			t.Errorf("%T.%s is not sent: convert it, or list it here as private", v, path)
		case sent && slices.Contains(private, path):
			t.Errorf("%T.%s is sent but listed as private", v, path)
		}
	})
	for _, path := range private {
		if !seen[path] {
			t.Errorf("%T has no field %s", v, path)
		}
	}
}

// eachField visits the exported fields at every depth; of a slice, those of the
// last element.
func eachField(t *testing.T, v reflect.Value, path string, visit func(path string, field reflect.Value)) {
	t.Helper()
	switch {
	case v.Kind() == reflect.Pointer:
		// Change a copy: what was converted before may share the target.
		target := reflect.New(v.Type().Elem())
		target.Elem().Set(v.Elem())
		v.Set(target)
		eachField(t, v.Elem(), path, visit)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		elements := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(elements, v)
		v.Set(elements)
		eachField(t, v.Index(v.Len()-1), path, visit)
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				eachField(t, v.Field(i), strings.TrimPrefix(path+"."+f.Name, "."), visit)
			}
		}
	default:
		visit(path, v)
	}
}

func alter(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	switch v.Kind() { //nolint:exhaustive // the default reports missing kinds
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + int64(time.Second))
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Slice:
		v.SetBytes([]byte("x"))
	case reflect.Struct:
		v.Set(reflect.ValueOf(v.Interface().(time.Time).Add(time.Hour)))
	default:
		t.Fatalf("%s: cannot change a %s", path, v.Type())
	}
}
