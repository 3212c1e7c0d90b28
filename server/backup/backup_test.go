package backup_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/sx"
)

// write adds the contents of a small backup.
func write(t testing.TB, w *backup.Writer) {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(w.Files([]backup.File{
		{Kind: backup.Values, Name: "values.yaml"},
		{Kind: backup.Secrets, Name: backup.AuthKeys + "/0.pem", Data: []byte("key")},
	}))
	ok(w.Document(backup.Users, "user", sx.User{ID: "user", Name: "ada"}))
	job := backup.Job{Job: json.RawMessage(`{"ID":"job"}`)}
	for _, s := range []backup.Start{{ID: "job", Name: "talk.mp4", Size: 70}, {ID: "job-1", Track: true, Name: "talk.mp3"}} {
		b, err := w.Blob(s)
		ok(err)
		ok(b.Part([]byte("the first part, ")))
		ok(b.Part([]byte("the rest")))
		job.Blobs = append(job.Blobs, b.Blob())
	}
	ok(w.Document(backup.Jobs, "job", job))
	ok(w.Document(backup.Deliveries, "delivery", sx.Delivery{ID: "delivery"}))
}

func archive(t testing.TB, fill func(testing.TB, *backup.Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.Header{Format: 1, Release: "1.2.3", Created: time.Unix(1e9, 0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func verify(in io.Reader, identities ...age.Identity) (backup.Summary, error) {
	plain, err := backup.Decrypt(in, identities)
	if err != nil {
		return backup.Summary{}, err
	}
	r, err := backup.NewReader(plain)
	if err != nil {
		return backup.Summary{}, err
	}
	return r.Verify()
}

func wantCode(t *testing.T, err error, want sx.Code, about any) {
	t.Helper()
	if err == nil || sx.CodeOf(err) != want || sx.AsError(err).Hint == "" {
		t.Fatalf("%v: got %v (code %q), want an error of code %q with a hint", about, err, sx.CodeOf(err), want)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	raw := archive(t, write)
	s, err := verify(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if s.Header.Release != "1.2.3" || s.Secrets != 1 || s.Users != 1 || s.Jobs != 1 || s.Tracks != 1 || s.Uploads != 1 || s.Videos != 0 || s.DamagedTotal != 0 {
		t.Errorf("the summary is %+v", s)
	}
	if again := archive(t, write); !bytes.Equal(raw, again) {
		t.Error("the same data give another archive")
	}
}

// TestTar unpacks an archive with a program for tar files.
func TestTar(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(archive(t, write))); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil || h.Typeflag != tar.TypeReg || h.Mode != 0o600 {
			t.Errorf("%s: %v, type %c, mode %o", h.Name, err, h.Typeflag, h.Mode)
		}
		files[h.Name] = string(data)
	}
	var end struct{ Entries int }
	if err := json.Unmarshal([]byte(files["end.json"]), &end); err != nil || end.Entries != len(files)-1 {
		t.Errorf("%d files, and end.json has %d: %v", len(files), end.Entries, err)
	}
	if files["secrets/auth-keys/0.pem"] != "key" || files["tracks/job-1/00000002"] != "the rest" {
		t.Errorf("the files are %q", files)
	}
}

// TestDamage changes each bit of a backup, cuts it everywhere and adds to it.
func TestDamage(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	plain := archive(t, write)
	var sealed bytes.Buffer
	w, err := backup.Encrypt(&sealed, []age.Recipient{identity.Recipient()})
	if err == nil {
		_, err = w.Write(plain)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(bytes.NewReader(sealed.Bytes()), identity); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		raw  []byte
		step int // decrypting takes time
	}{{"plaintext", plain, 1}, {"encrypted", sealed.Bytes(), 5}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			check := func(raw []byte, about string) {
				t.Helper()
				_, err := verify(bytes.NewReader(raw), identity)
				if err == nil || sx.CodeOf(err) == sx.CodeInternal {
					t.Fatalf("%s: got %v", about, err)
				}
			}
			for i := 0; i < len(c.raw); i += c.step {
				raw := bytes.Clone(c.raw)
				raw[i] ^= 1 << (i % 8)
				check(raw, fmt.Sprintf("bit %d of byte %d is changed", i%8, i))
				if i%(8*c.step) == 0 {
					check(c.raw[:i], fmt.Sprintf("cut after %d bytes", i))
				}
			}
			for bit := range 8 * 100 { // at the beginning and the end
				for _, at := range []int{bit / 8, len(c.raw) - 1 - bit/8} {
					raw := bytes.Clone(c.raw)
					raw[at] ^= 1 << (bit % 8)
					check(raw, fmt.Sprintf("bit %d of byte %d is changed", bit%8, at))
				}
			}
			check(append(bytes.Clone(c.raw), 0), "a byte follows")
			check(append(bytes.Clone(c.raw), c.raw...), "it is there twice")
		})
	}
}

func TestAddFiles(t *testing.T) {
	t.Parallel()
	raw := archive(t, func(testing.TB, *backup.Writer) {})
	var out bytes.Buffer
	if err := backup.AddFiles(&out, bytes.NewReader(raw), []backup.File{{Kind: backup.Secrets, Name: "a", Data: []byte("b")}}); err != nil {
		t.Fatal(err)
	}
	if s, err := verify(&out); err != nil || s.Secrets != 1 || s.Header.Release != "1.2.3" {
		t.Errorf("%+v, %v", s, err)
	}
	err := backup.AddFiles(io.Discard, bytes.NewReader(raw[:len(raw)-1]), nil)
	wantCode(t, err, sx.CodeBackupDamaged, "an incomplete archive")
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	mine, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := backup.Encrypt(&out, []age.Recipient{mine.Recipient()})
	if err == nil {
		_, err = w.Write(archive(t, write))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = verify(bytes.NewReader(out.Bytes()))
	wantCode(t, err, sx.CodeInvalid, "without an identity")
	_, err = verify(bytes.NewReader(out.Bytes()), other)
	wantCode(t, err, sx.CodeInvalid, "with another identity")
	if _, err = verify(bytes.NewReader(out.Bytes()), other, mine); err != nil {
		t.Error(err)
	}
	_, err = backup.Encrypt(io.Discard, []age.Recipient{mine.Recipient(), other.Recipient()})
	wantCode(t, err, sx.CodeInvalid, "recipients that cannot be mixed")
}

// TestLongAgeHeader has a header that never ends.
func TestLongAgeHeader(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	stanza := "-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\nEmECAEcKN+n/Vs9SbWiV+Hu0r+E8R77DdWYyd83nw7U\n"
	endless := io.MultiReader(strings.NewReader("age-encryption.org/v1\n"), &repeat{text: stanza})
	_, err = verify(endless, identity)
	wantCode(t, err, sx.CodeBackupDamaged, "an endless header")
}

type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

func TestReadError(t *testing.T) {
	t.Parallel()
	unplugged := errors.New("unplugged")
	raw := archive(t, write)
	for _, n := range []int{0, 5, 600, len(raw) - 1} {
		_, err := verify(io.MultiReader(bytes.NewReader(raw[:n]), &failing{unplugged}))
		if !errors.Is(err, unplugged) {
			t.Errorf("after %d bytes: got %v, want %v", n, err, unplugged)
		}
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// TestLayout has archives whose digest is right, but not their order or contents.
func TestLayout(t *testing.T) {
	t.Parallel()
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	type entry struct{ name, data string }
	about := entry{"uploads/job/about.json", `{"name":"a","size":1}`}
	part := entry{"uploads/job/00000001", "x"}
	job := func(id, blob string) entry {
		return entry{"jobs/" + id + ".json", fmt.Sprintf(`{"job":{"ID":"x"},"blobs":[%s]}`, blob)}
	}
	video := fmt.Sprintf(`{"id":"job","size":1,"sha256":"%s"}`, digest("x"))
	for _, c := range []struct {
		name    string
		entries []entry
		good    bool
	}{
		{"a job with a video", []entry{about, part, job("job", video)}, true},
		{"two jobs", []entry{about, part, job("job", video), job("other", "")}, true},
		{"an unknown kind", []entry{{"others/a.json", "{}"}}, false},
		{"kinds in another order", []entry{{"audit/a.json", "{}"}, {"users/a.json", "{}"}}, false},
		{"a document after a video", []entry{about, part, {"deliveries/a.json", "{}"}}, false},
		{"a video without a job", []entry{about, part}, false},
		{"a video of another job", []entry{about, part, job("other", video)}, false},
		{"a job that does not mention its video", []entry{about, part, job("job", "")}, false},
		{"a job that mentions a video that is not there", []entry{job("job", video)}, false},
		{"another digest", []entry{about, {part.name, "y"}, job("job", video)}, false},
		{"the same video twice", []entry{about, part, about, part, job("job", video+","+video)}, false},
		{"a part without a beginning", []entry{part, job("job", video)}, false},
		{"a part that is missing", []entry{about, {"uploads/job/00000002", "x"}, job("job", video)}, false},
		{"more bytes than the video has", []entry{about, part, {"uploads/job/00000002", "x"}, job("job", video)}, false},
		{"a negative size", []entry{{about.name, `{"size":-1}`}, part, job("job", video)}, false},
		{"a document that is not JSON", []entry{{"users/a.json", "{"}}, false},
		{"a document of a job that is not JSON", []entry{{"jobs/a.json", "{"}}, false},
		{"a document in a directory", []entry{{"users/a/b.json", "{}"}}, false},
		{"a document without a kind", []entry{{"a.json", "{}"}}, false},
		{"another beginning", []entry{{"backup.json", "{}"}}, false},
		{"a job that was removed, with a document", []entry{{"jobs/a.json", `{"job":{},"removed":true,"blobs":[]}`}}, false},
		{"a deep secret", []entry{{"secrets/a/b/c", ""}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out, kept bytes.Buffer
			anything, err := backup.NewWriter(&out, backup.Header{})
			if err != nil {
				t.Fatal(err)
			}
			w, err := backup.NewWriter(&kept, backup.Header{})
			for _, e := range c.entries {
				err = errors.Join(err, anything.WriteAnything(e.name, []byte(e.data)), w.Write(e.name, []byte(e.data)))
			}
			err = errors.Join(err, anything.Close(), w.Close())
			_, read := verify(bytes.NewReader(out.Bytes()))
			if c.good {
				if err != nil || read != nil || !bytes.Equal(out.Bytes(), kept.Bytes()) {
					t.Error(err, read)
				}
				return
			}
			wantCode(t, read, sx.CodeBackupDamaged, c.name)
			wantCode(t, err, sx.CodeInternal, c.name+", written")
			if _, err := verify(bytes.NewReader(kept.Bytes())); !strings.Contains(err.Error(), "incomplete") {
				t.Errorf("a writer that has refused an entry leaves an archive that is read with %v", err)
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	write := func(name string, size int) error {
		w, err := backup.NewWriter(io.Discard, backup.Header{})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(name, make([]byte, size))
		if again := w.Write("values/a", nil); (err == nil) != (again == nil) {
			t.Errorf("after %v, another entry gets %v", err, again)
		}
		return err
	}
	for _, name := range []string{
		"", "/a", "a/", "../a", "a/../b", "a//b", ".a", "a/.b", `a\b`, "a:b", "a b", "-a", "ä", "a\x00b", strings.Repeat("a", 101),
	} {
		if write(backup.Values+"/"+name, 0) == nil || write(name, 0) == nil {
			t.Errorf("an entry named %q was written", name)
		}
	}
	if write("values/a", backup.MaxData+1) == nil {
		t.Error("an entry that is too large was written")
	}
	if err := write("values/a", backup.MaxData); err != nil {
		t.Error(err)
	}
}

// largestJob returns a job with as much as it may have, which JSON has to escape.
func largestJob(t *testing.T) sx.Job {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("<", sx.MaxName)
	now := time.Unix(1e9, 0)
	name := strings.Repeat(strings.Repeat("<", 199)+"/", 5)
	upload := sx.NewUpload{Source: sx.Source{Name: name}, Options: sx.Options{Title: long, Artist: long, Album: long}}
	for range sx.MaxSources {
		upload.Joined = append(upload.Joined, sx.Source{Name: name, Size: 1, Sent: 1})
	}
	for i := range sx.MaxLabels {
		upload.Labels = append(upload.Labels, fmt.Sprintf("%02d", i))
	}
	ok(upload.Clean())
	upload.Size = sx.MaxSources
	j := sx.NewJob("owner", upload, now)
	ok(j.Queue(strings.Repeat("0", 64), now))
	failure := sx.NewError(sx.CodeInternal, "%s", long).WithHint("%s", long)
	for range sx.MaxAttempts {
		ok(j.Claim(long, time.Hour, now))
		ok(j.Postpone(j.Attempt, failure, 0, now))
		j.NotBefore = now
	}
	ok(j.Claim(long, time.Hour, now))
	var tracks []sx.Track
	for n := range sx.MaxTracks {
		tracks = append(tracks, sx.Track{
			ID: sx.TrackID(j.ID, j.Attempt, n+1), Name: sx.PartName(long, n+1, sx.MaxTracks, long),
			Size: 1 << 40, SHA256: strings.Repeat("0", 64), Title: long, Artist: long, Album: long,
		})
	}
	var warnings []sx.Warning
	for i := range sx.MaxWarnings {
		warnings = append(warnings, sx.Warning{Code: "code", Message: fmt.Sprint(i) + long})
	}
	ok(j.Finish(j.Attempt, tracks, warnings, now))
	for range sx.MaxShares {
		ok(j.AddShare(sx.Share{ID: sx.NewShareID(j.ID), Hash: strings.Repeat("0", 64), Expires: now.Add(time.Hour)}, now))
	}
	return j
}

// TestLargestJob has a job with as much as it may have, all of whose MP3s are edited after
// each of them was read, and are damaged.
func TestLargestJob(t *testing.T) {
	t.Parallel()
	j := largestJob(t)
	damaged := sx.CleanLine(strings.Repeat("<", 1000), backup.MaxReason)
	size := 0
	fill := func(versions int) func(testing.TB, *backup.Writer) {
		return func(t testing.TB, w *backup.Writer) {
			t.Helper()
			var doc backup.Job
			add := func(s backup.Start) {
				b, err := w.Blob(s)
				if err == nil {
					err = b.Part([]byte("x"))
				}
				if err != nil {
					t.Fatal(err)
				}
				blob := b.Blob()
				blob.Damaged = damaged
				doc.Blobs = append(doc.Blobs, blob)
			}
			add(backup.Start{ID: j.ID, Name: j.Sent.Name, Size: j.Sent.Size})
			for range versions {
				for i := range j.Tracks {
					track := &j.Tracks[i]
					track.ID = sx.EditedTrackID(track.ID, time.Now())
					add(backup.Start{ID: track.ID, Track: true, Name: track.Name})
				}
			}
			raw, err := json.Marshal(j)
			if err != nil {
				t.Fatal(err)
			}
			doc.Job = raw
			encoded, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			size = len(encoded)
			if err := w.Document(backup.Jobs, j.ID, doc); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := verify(bytes.NewReader(archive(t, fill(backup.MaxVersions))))
	if err != nil || s.DamagedTotal != 1+backup.MaxVersions*sx.MaxTracks {
		t.Errorf("%d are damaged, %v", s.DamagedTotal, err)
	}
	t.Logf("the document has %d of %d bytes", size, backup.MaxData)
}

func TestLaterVersion(t *testing.T) {
	t.Parallel()
	raw := archive(t, write)
	i := bytes.Index(raw, []byte(`"version":1`))
	raw[i+len(`"version":`)] = '2'
	_, err := backup.NewReader(bytes.NewReader(raw))
	wantCode(t, err, sx.CodeStoredFormat, "a later version")
	if !strings.Contains(err.Error(), "1.2.3") {
		t.Errorf("the error does not name the release: %v", err)
	}
}

// FuzzReader proves that an archive that is accepted is the only one with its entries.
func FuzzReader(f *testing.F) {
	raw := archive(f, write)
	f.Add(raw)
	f.Add(raw[:1024])
	f.Add([]byte("age-encryption.org/v1\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := backup.NewReader(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if _, err := r.Verify(); err != nil {
			return
		}
		if again := rewrite(t, raw); !bytes.Equal(raw, again) {
			t.Errorf("two archives have the same entries:\n%q\n%q", raw, again)
		}
	})
}

// rewrite writes the entries of an archive again.
func rewrite(t *testing.T, raw []byte) []byte {
	t.Helper()
	files := tar.NewReader(bytes.NewReader(raw))
	var out bytes.Buffer
	var w *backup.Writer
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return out.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case w == nil:
			w, err = backup.NewWriterAs(&out, data)
		case h.Name == "end.json":
			err = w.Close()
		default:
			err = w.Write(h.Name, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
