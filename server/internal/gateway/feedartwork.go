package gateway

import (
	"bytes"
	"crypto/sha256"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"net/http"
	"sync"
	"time"
)

// artworkSize is the least width and height that Apple Podcasts accepts, in pixels.
const artworkSize = 1400

// artwork returns the picture of feeds: the icon of the page, as PNG.
var artwork = sync.OnceValues(func() ([]byte, error) {
	const scale = float64(artworkSize) / 32 // the icon is 32 units wide
	picture := image.NewPaletted(image.Rect(0, 0, artworkSize, artworkSize), color.Palette{
		color.RGBA{R: 0x1d, G: 0x4e, B: 0xd8, A: 0xff}, color.White,
	})
	for _, bar := range []struct{ x, top, bottom float64 }{{6, 14, 18}, {11, 9, 23}, {16, 5, 27}, {21, 10, 22}, {26, 14, 18}} {
		area := image.Rect(int((bar.x-1.5)*scale), int((bar.top-1.5)*scale), int((bar.x+1.5)*scale), int((bar.bottom+1.5)*scale))
		draw.Draw(picture, area, image.White, image.Point{}, draw.Src)
	}
	var out bytes.Buffer
	err := png.Encode(&out, picture)
	return out.Bytes(), err
})

func writeArtwork(w http.ResponseWriter, r *http.Request) error {
	picture, err := artwork()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "image/png")
	servePart(w, r, bytes.NewReader(picture), sha256.Sum256(picture), time.Time{})
	return nil
}
