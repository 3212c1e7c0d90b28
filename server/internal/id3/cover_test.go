package id3_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"

	"github.com/soundextract/sx/server/internal/id3"
)

// Red pictures in WebP, made with ffmpeg, since Go has no encoder: lossy, lossless and half
// transparent, animated.
var (
	lossyWebP    = decode64("UklGRjoAAABXRUJQVlA4IC4AAACQAQCdASoQABAAAsBMJaACdLoAA5gA/u52f/FtI6FTq/+2h/+tD/9aH/SgAAAA")
	alphaWebP    = decode64("UklGRhwAAABXRUJQVlA4TA8AAAAvA8AAEAcQ/Y/+BSKi/wEA")
	animatedWebP = decode64("UklGRoQAAABXRUJQVlA4WAoAAAACAAAAAwAAAwAAQU5JTQYAAAD/////AQBBTk1GKAAAAAAAAAAAAAMAAAMAAPQBAAJWUDhM" +
		"DwAAAC8DwAAABxD1j/4HIqL/AQBBTk1GKAAAAAAAAAAAAAMAAAMAAPQBAABWUDhMEAAAAC8DwAAAB9Clfkb/AxHR/wA=")
)

func decode64(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func picture(opaque bool) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		m.Set(i%8, i/8, color.NRGBA{200, 0, 0, 255})
	}
	if !opaque {
		m.Set(0, 0, color.NRGBA{0, 0, 0, 0})
	}
	return m
}

func encoded(t testing.TB, encode func(*bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegFile(t testing.TB) []byte {
	return encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, picture(true), nil) })
}

func pngFile(t testing.TB, opaque bool) []byte {
	return encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, picture(opaque)) })
}

func bmpFile(t testing.TB) []byte {
	return encoded(t, func(b *bytes.Buffer) error { return bmp.Encode(b, picture(true)) })
}

// hugePNG returns the header of a PNG with many pixels.
func hugePNG() []byte {
	ihdr := append([]byte("IHDR"), 0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1A\n\x00\x00\x00\x0D"), ihdr...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(ihdr))
}

// hugeBMP is a BMP of 1 bit per pixel that claims 65535×65535 pixels.
func hugeBMP(t testing.TB) []byte {
	b := bmpFile(t)
	binary.LittleEndian.PutUint32(b[18:], 65535)
	binary.LittleEndian.PutUint32(b[22:], 65535)
	return b
}

func TestCover(t *testing.T) {
	t.Parallel()
	jpg, opaque := jpegFile(t), pngFile(t, true)
	tests := []struct {
		name string
		file []byte
		mime string
		same bool
		note string
	}{
		{"JPEG", jpg, "image/jpeg", true, ""},
		{"PNG", opaque, "image/png", true, ""},
		{"PNG with more pixels than we would decode", hugePNG(), "image/png", true, ""},
		{"BMP", bmpFile(t), "image/jpeg", false, ""},
		{"GIF", encoded(t, func(b *bytes.Buffer) error { return gif.Encode(b, picture(true), nil) }), "image/jpeg", false, ""},
		{"lossy WebP", lossyWebP, "image/jpeg", false, ""},
		{"transparent WebP", alphaWebP, "image/png", false, ""},
		{"animated WebP", animatedWebP, "", false, "animated"},
		{"a cut WebP", lossyWebP[:len(lossyWebP)/2], "", false, "the WebP picture"},
		{"a cut BMP", bmpFile(t)[:60], "", false, "the BMP picture is damaged"},
		{"a BMP with too many pixels", hugeBMP(t), "", false, "65535×65535 pixels"},
		{"only the start of a JPEG", jpg[:4], "", false, "the JPEG picture cannot be read"},
		{"text", []byte("<svg/>"), "", false, "not JPEG"},
		{"too large", append(slices.Clone(jpg), make([]byte, 16<<20)...), "", false, "larger than 16 MiB"},
		{"no cover", nil, "", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tag, notes := build(id3.Source{Tags: []map[string]string{{"title": "T"}}, Cover: tt.file}, false)
			frames := split(t, tag)
			if tt.mime == "" {
				if len(frames) != 1 || (tt.note != "") != (len(notes) == 1) || !strings.Contains(strings.Join(notes, ""), tt.note) {
					t.Errorf("%d frames, notes %q", len(frames), notes)
				}
				return
			}
			if len(frames) != 2 || frames[1].id != "APIC" || len(notes) != 0 {
				t.Fatalf("%d frames, notes %q", len(frames), notes)
			}
			prefix := "\x00" + tt.mime + "\x00\x03\x00" // the front cover
			got, ok := bytes.CutPrefix(frames[1].body, []byte(prefix))
			if !ok || tt.same && !bytes.Equal(got, tt.file) {
				t.Errorf("body %.40q", frames[1].body)
			}
			if !tt.same {
				decoded, format, err := image.Decode(bytes.NewReader(got))
				if err != nil || "image/"+format != tt.mime {
					t.Fatalf("%s, %v", format, err)
				}
				corner := decoded.Bounds().Max.Sub(image.Pt(1, 1))
				if c := color.NRGBAModel.Convert(decoded.At(corner.X, corner.Y)).(color.NRGBA); c.R < 180 || c.G > 50 {
					t.Errorf("the color is %v, want red", c)
				}
			}
		})
	}
}

func TestFront(t *testing.T) {
	t.Parallel()
	describe := func(all ...map[string]string) (pictures []id3.Picture) {
		for _, m := range all {
			pictures = append(pictures, id3.DescribePicture(m))
		}
		return pictures
	}
	tests := []struct {
		name     string
		pictures []id3.Picture
		want     int
	}{
		{"none", nil, -1},
		{"MP4 says nothing", describe(nil, nil), 0},
		{"the back first", describe(tags{"comment": "Cover (back)"}, tags{"comment": "Other"}, tags{"comment": "Cover (front)"}), 2},
		{"only a back", describe(tags{"comment": "Cover (back)"}), -1},
		{"an artist and another one", describe(tags{"comment": "Artist/performer"}, tags{"comment": "Other", "title": "x"}), 1},
		{"unknown before other", describe(tags{"comment": "Other"}, tags{}), 1},
		{"Matroska", describe(tags{"filename": "back.jpg"}, tags{"filename": "cover_land.jpg"}, tags{"filename": "small_cover.png"}, tags{"FILENAME": "Cover.PNG"}), 3},
		{"Matroska, only the back", describe(tags{"filename": "back_cover.jpg", "mimetype": "image/jpeg"}), -1},
		{"Matroska, any picture", describe(tags{"filename": "IMG_1.jpg"}), 0},
		{"APE", describe(tags{"Cover Art (Back)": "b.jpg"}, tags{"Cover Art (Front)": "c.png"}), 1},
		{"APE, an icon", describe(tags{"Cover Art (Icon)": "i.png"}), -1},
		{"a title", describe(tags{"title": "Booklet"}, tags{"title": "x"}), 1},
		{"own", []id3.Picture{{Type: 4}, {Type: 0}, {Type: 3}}, 2},
		{"a type that does not exist", []id3.Picture{{Type: 200}}, -1},
	}
	for _, tt := range tests {
		if got := id3.Front(tt.pictures); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestOwnPictures(t *testing.T) {
	t.Parallel()
	front, back := pngFile(t, true), jpegFile(t)
	file := v2(4, 0, f24("APIC", 0, "\x03image/jpeg\x00\x04Rückseite\x00"+string(back)), f24("APIC", 0, "\x01image/png\x00\x03"+utf16le("d")+"\x00\x00"+string(front)),
		f24("APIC", 0, "\x03image/png"), f24("APIC", 0, "\x03image/png\x00\x03d\x00"))
	own, err := id3.Read(strings.NewReader(file), int64(len(file)), "mp3")
	if err != nil || !bytes.Equal(own.Front(), front) || len(own.Pictures) != 2 || own.Pictures[0].Title != "Rückseite" {
		t.Errorf("front of %d bytes among %d: %v", len(own.Front()), len(own.Pictures), err)
	}
	old := v2(2, 0, f22("PIC", "\x00PNG\x03d\x00"+string(front)), f22("PIC", "\x00"))
	own, err = id3.Read(strings.NewReader(old), int64(len(old)), "mp3")
	if err != nil || !bytes.Equal(own.Front(), front) {
		t.Errorf("2.2: front of %d bytes: %v", len(own.Front()), err)
	}
}

// FuzzCover checks that no picture ends the process.
func FuzzCover(f *testing.F) {
	for _, seed := range [][]byte{jpegFile(f), pngFile(f, false), bmpFile(f), lossyWebP, alphaWebP, animatedWebP, hugePNG()} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		tag, notes := build(id3.Source{Cover: file}, false)
		if len(file) > 0 && (len(tag) == 0) != (len(notes) == 1) || len(tag) > id3.MaxSize {
			t.Errorf("%d bytes, notes %q", len(tag), notes)
		}
	})
}
