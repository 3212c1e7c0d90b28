package client

import (
	"encoding/json"
	"io"
	"reflect"
	"regexp"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

const (
	// maxBody is the largest response that is read, in bytes: a page of jobs with the longest
	// texts is smaller.
	maxBody = 16 << 20
	// maxValues is how many values a response may have (see api.CountValues).
	maxValues = 200_000
)

// decodeClean decodes JSON of a server, which is not trusted: the result has no
// characters that control a terminal (see sx.CleanText), and everything that becomes part
// of a path or request is valid. Everything that the client decodes passes through it.
func decodeClean(raw []byte, out any) error {
	if api.CountValues(raw) > maxValues {
		return Malformed("it has too many values")
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return err
	}
	return checkValue(reflect.ValueOf(out))
}

// readClean is decodeClean for a response's body.
func readClean(body io.Reader, out any) error {
	raw, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err != nil {
		return err
	}
	if len(raw) > maxBody {
		return Malformed("it is too long")
	}
	return decodeClean(raw, out)
}

// Malformed returns the error for a response that no server of SoundExtract sends.
func Malformed(what string) error {
	return sx.NewError(sx.CodeInternal, "the server sent a malformed response: %s", what).
		WithHint("update the server, or use one that you trust")
}

// checkValue cleans all strings in v, and checks jobs.
func checkValue(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); v.CanSet() {
			v.SetString(sx.CleanText(s))
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return checkValue(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := checkValue(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				if err := checkValue(v.Field(i)); err != nil {
					return err
				}
			}
		}
		return checkFields(v)
	default: // numbers and booleans; the API has no maps
	}
	return nil
}

// An ID is used in paths and file names. More forms are allowed than that of sx.NewID, so
// that a later server may use another one.
var (
	idPattern     = regexp.MustCompile(`^[a-z0-9]{1,32}$`)
	digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// IsID reports whether a server may use the ID of a job.
func IsID(id string) bool { return idPattern.MatchString(id) }

func checkFields(v reflect.Value) error {
	switch out := v.Interface().(type) {
	case api.Job:
		switch {
		case !idPattern.MatchString(out.ID):
			return Malformed("a job without a valid ID")
		case len(out.Name) > sx.MaxName || out.Sent.Size < 0:
			return Malformed("an invalid name or size of job " + out.ID)
		}
	case api.Track:
		if out.Number < 1 || out.Size < 0 || out.Duration < 0 || len(out.Name) > sx.MaxName ||
			out.SHA256 != "" && !digestPattern.MatchString(out.SHA256) {
			return Malformed("an invalid track")
		}
	case api.Source:
		if out.Size < 0 || len(out.Name) > sx.MaxName || out.SHA256 != "" && !digestPattern.MatchString(out.SHA256) {
			return Malformed("an invalid source")
		}
	case api.ConvertedTrack:
		if out.Number < 1 || out.Size < 0 || !digestPattern.MatchString(out.SHA256) {
			return Malformed("an invalid track")
		}
	case api.Conversion:
		if out.JobID != "" && !idPattern.MatchString(out.JobID) {
			return Malformed("a job without a valid ID")
		}
	}
	return nil
}

// requested checks that a response is about the job that was asked for.
func requested(id string, j api.Job, err error) (api.Job, error) {
	if err == nil && j.ID != id {
		return api.Job{}, Malformed("a job other than the one requested")
	}
	return j, err
}
