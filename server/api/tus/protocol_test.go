package tus_test

import (
	"maps"
	"testing"

	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/sx"
)

func TestMetadata(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]map[string]string{
		"":                             {},
		"filename dGFsay5tcDQ=,track ": {"filename": "talk.mp4", "track": ""},
		"mono,filename 5Lya6K2w":       {"filename": "会議", "mono": ""},
		" a Yg== , c ZA== ":            {"a": "b", "c": "d"},
	} {
		got, err := tus.DecodeMetadata(header)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%q gives %q, %v, want %q", header, got, err, want)
		}
		if again, err := tus.DecodeMetadata(tus.EncodeMetadata(want)); err != nil || !maps.Equal(again, want) {
			t.Errorf("%q came back as %q, %v", want, again, err)
		}
	}
	for _, header := range []string{",", "a Yg==,", "a b!", "a Yg==,a Yg==", "a Yg== c"} {
		if got, err := tus.DecodeMetadata(header); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("%q gives %q, %v, want an error of code invalid", header, got, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{
		"", "filename dGFsay5tcDQ=,track ", "mono,filename 5Lya6K2w", " a Yg== , c ZA== ", "a Yg==,a Yg==", ",", "a =", "a Yg= =", "\x00 AA==", "a  Yg==",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		metadata, err := tus.DecodeMetadata(header)
		if err != nil {
			if code := sx.CodeOf(err); code != sx.CodeInvalid {
				t.Errorf("%q: code %s", header, code)
			}
			return
		}
		again, err := tus.DecodeMetadata(tus.EncodeMetadata(metadata))
		if err != nil || !maps.Equal(again, metadata) {
			t.Errorf("%q: got %q, and %q, %v again", header, metadata, again, err)
		}
	})
}
