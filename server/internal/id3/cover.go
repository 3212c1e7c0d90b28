package id3

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// maxPixels limits what is decoded: 4 bytes each in memory.
const maxPixels = 12 << 20

const jpegQuality = 92

var (
	errPictureSize   = errors.New("the picture is larger than 16 MiB")
	errPictureFormat = errors.New("the picture is not JPEG, PNG, WebP, BMP or GIF")
)

// pictureFormat is a format of cover art. Players are only required to know JPEG and PNG
// (frames, section 4.14), which are kept as they are.
type pictureFormat struct {
	magic  string // a ? stands for any byte
	name   string
	mime   string // "" if it must be converted
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

var pictureFormats = []pictureFormat{
	{"\xFF\xD8\xFF", "JPEG", "image/jpeg", jpeg.DecodeConfig, nil},
	{"\x89PNG\r\n\x1A\n", "PNG", "image/png", png.DecodeConfig, nil},
	{"RIFF????WEBP", "WebP", "", webp.DecodeConfig, webp.Decode},
	{"BM", "BMP", "", bmp.DecodeConfig, bmp.Decode},
	{"GIF8", "GIF", "", gif.DecodeConfig, gif.Decode}, // the first frame
}

func formatOf(picture []byte) (pictureFormat, bool) {
	for _, f := range pictureFormats {
		if len(picture) >= len(f.magic) && matches(picture, f.magic) {
			return f, true
		}
	}
	return pictureFormat{}, false
}

func matches(b []byte, magic string) bool {
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != b[i] {
			return false
		}
	}
	return true
}

// convertCover returns a picture as JPEG or PNG, and its media type. The error says why
// it cannot, for the owner.
func convertCover(picture []byte) (out []byte, mime string, err error) {
	if len(picture) > maxCover {
		return nil, "", errPictureSize
	}
	f, ok := formatOf(picture)
	if !ok {
		return nil, "", errPictureFormat
	}
	defer func() {
		// A decoder that fails on a hostile picture must not end the conversions of others.
		if r := recover(); r != nil {
			out, mime, err = nil, "", fmt.Errorf("the %s picture cannot be read", f.name)
		}
	}()
	config, err := f.config(bytes.NewReader(picture))
	if err != nil {
		return nil, "", fmt.Errorf("the %s picture cannot be read", f.name)
	}
	if f.mime != "" {
		return picture, f.mime, nil
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxPixels/config.Height {
		return nil, "", fmt.Errorf("the %s picture has %d×%d pixels, too many to convert", f.name, config.Width, config.Height)
	}
	decoded, err := f.decode(bytes.NewReader(picture))
	if err != nil {
		return nil, "", fmt.Errorf("the %s picture is damaged, animated or of an unusual kind", f.name)
	}
	var b bytes.Buffer
	if isOpaque(decoded) {
		mime, err = "image/jpeg", jpeg.Encode(&b, decoded, &jpeg.Options{Quality: jpegQuality})
	} else {
		mime, err = "image/png", png.Encode(&b, decoded)
	}
	if err != nil {
		return nil, "", fmt.Errorf("the %s picture cannot be converted", f.name)
	}
	if b.Len() > maxCover {
		return nil, "", errPictureSize
	}
	return b.Bytes(), mime, nil
}

func isOpaque(m image.Image) bool {
	o, ok := m.(interface{ Opaque() bool })
	return ok && o.Opaque()
}
